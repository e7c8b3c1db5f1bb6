//! Programs run by a small BPF interpreter, against a direct reading of the profile.

use oci_spec::runtime::LinuxSeccomp;

use super::abi::{Abi, X32_BIT};
use super::reading::{ALL, Oracle, run};
use super::{rules, tree};

const ENOSYS: u32 = 0x0005_0026;

fn profile(json: &str) -> LinuxSeccomp {
    serde_json::from_str(json).unwrap()
}

fn program(profile: &LinuxSeccomp, abis: &[Abi]) -> Vec<ketch_sys::seccomp::Insn> {
    tree::program(&mut rules::Rules::new(profile).unwrap(), abis)
}

/// Every number of every architecture, with argument values around those that the profile names.
fn check(profile: &LinuxSeccomp, abis: &[Abi]) -> usize {
    let program = program(profile, abis);
    assert!(program.len() <= super::emit::MAX_INSTRUCTIONS);
    let oracle = Oracle::new(profile, abis);
    let mut values = vec![0, 1, 2, 3, 21, 0x1_0001, u64::from(u32::MAX), 1 << 32, u64::MAX];
    for arg in profile.syscalls().iter().flatten().flat_map(|entry| entry.args().iter().flatten()) {
        for value in [arg.value(), arg.value_two().unwrap_or(0)] {
            values.extend([
                value,
                value.wrapping_sub(1),
                value.wrapping_add(1),
                value ^ (1 << 32),
                value << 32,
            ]);
        }
    }
    values.sort_unstable();
    values.dedup();

    let numbers =
        (0..600).chain(0xf_0000..0xf_0010).chain(X32_BIT - 2..X32_BIT + 600).chain(u32::MAX - 2..=u32::MAX);
    for number in numbers {
        for arch in ALL.map(Abi::audit_arch) {
            for (i, &value) in values.iter().enumerate() {
                let other = values[(i * 7 + 3) % values.len()];
                for args in
                    [[value; 6], [value, other, other, value, 0, other], [other, value, value, 0, 9, 9]]
                {
                    let want = oracle.answer(arch, number, args);
                    let (got, _) = run(&program, arch, number, args);
                    assert_eq!(got, want, "arch {arch:#x}, number {number:#x}, arguments {args:x?}");
                }
            }
        }
    }
    program.len()
}

#[test]
fn every_operator_on_both_halves() {
    for op in ["NE", "LT", "LE", "EQ", "GE", "GT"] {
        for value in [0u64, 5, 0xffff_ffff, 0x5_0000_0000, 0x5_0000_0007, u64::MAX] {
            let json = format!(
                r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",
                    "args":[{{"index":0,"value":{value},"op":"SCMP_CMP_{op}"}}]}}]}}"#
            );
            check(&profile(&json), &ALL);
        }
    }
    for (mask, value) in [
        (0u64, 0u64),
        (0x7e02_0000, 0),
        (1 << 40, 0),
        (0x1_0000_0001, 1),
        (0xf0, 0x1f),
        (u64::MAX, 7),
        (u64::MAX << 32, 1 << 33),
    ] {
        let json = format!(
            r#"{{"defaultAction":"SCMP_ACT_KILL_PROCESS","syscalls":[{{"names":["clone"],"action":"SCMP_ACT_LOG",
                "args":[{{"index":0,"value":{mask},"valueTwo":{value},"op":"SCMP_CMP_MASKED_EQ"}}]}}]}}"#
        );
        check(&profile(&json), &ALL);
    }
}

#[test]
fn several_conditions_and_entries() {
    let json = r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"syscalls":[
        {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":0,"op":"SCMP_CMP_EQ"}]},
        {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"}]},
        {"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"op":"SCMP_CMP_EQ"}]},
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":13,"args":[{"index":0,"value":40,"op":"SCMP_CMP_EQ"}]},
        {"names":["socket"],"action":"SCMP_ACT_ERRNO","errnoRet":22,
         "args":[{"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":9,"op":"SCMP_CMP_EQ"}]},
        {"names":["socket"],"action":"SCMP_ACT_ALLOW",
         "args":[{"index":0,"value":16,"op":"SCMP_CMP_EQ"},{"index":2,"value":9,"op":"SCMP_CMP_NE"}]},
        {"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":16,"op":"SCMP_CMP_NE"}]},
        {"names":["prctl"],"action":"SCMP_ACT_TRACE","errnoRet":7,
         "args":[{"index":0,"value":3,"op":"SCMP_CMP_EQ"},{"index":0,"value":4,"op":"SCMP_CMP_EQ"},
                 {"index":1,"value":9,"op":"SCMP_CMP_GT"}]},
        {"names":["ioctl"],"action":"SCMP_ACT_TRAP","args":[{"index":1,"value":3,"op":"SCMP_CMP_EQ"}]},
        {"names":["ioctl"],"action":"SCMP_ACT_ALLOW"},
        {"names":["ioctl","uname"],"action":"SCMP_ACT_KILL_PROCESS"},
        {"names":["getpid"],"action":"SCMP_ACT_ERRNO","errnoRet":1},
        {"names":["getpid","no_such_call"],"action":"SCMP_ACT_LOG"}
    ]}"#;
    for abis in [&ALL[..], &ALL[..1], &ALL[..2], &ALL[3..4], &[Abi::X86_64, Abi::X32]] {
        check(&profile(json), abis);
    }
}

#[test]
fn calls_inside_socketcall_and_ipc() {
    for json in [
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["socket","semop","shmat","msgsnd"],"action":"SCMP_ACT_ALLOW"},
            {"names":["bind"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_NE"}]}]}"#,
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
            {"names":["socket"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]},
            {"names":["shmat"],"action":"SCMP_ACT_KILL"}]}"#,
        r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[
            {"names":["socketcall","ipc"],"action":"SCMP_ACT_ALLOW"},
            {"names":["socket"],"action":"SCMP_ACT_KILL"}]}"#,
    ] {
        check(&profile(json), &[Abi::X86_64, Abi::X86]);
    }
}

#[test]
fn newer_calls_fall_back() {
    for (default, answer) in [
        (r#""SCMP_ACT_ERRNO""#, ENOSYS),
        (r#""SCMP_ACT_KILL_PROCESS""#, ENOSYS),
        (r#""SCMP_ACT_TRAP""#, ENOSYS),
        (r#""SCMP_ACT_ALLOW""#, 0x7fff_0000),
        (r#""SCMP_ACT_LOG""#, 0x7ffc_0000),
    ] {
        let json = format!(
            r#"{{"defaultAction":{default},"syscalls":[{{"names":["read","openat2"],"action":"SCMP_ACT_TRACE"}}]}}"#
        );
        let profile = profile(&json);
        check(&profile, &ALL);
        let program = program(&profile, &[Abi::X86_64]);
        assert_eq!(run(&program, Abi::X86_64.audit_arch(), 439, [0; 6]).0, answer, "{default}");
    }
}

/// Verdicts that change at every number, so that subtrees are further apart than a jump reaches.
#[test]
fn long_programs() {
    let mut entries = Vec::new();
    for (number, name) in Abi::X86_64.calls() {
        if number % 3 == 0 {
            let errno = number % 400 + 1;
            entries.push(format!(
                r#"{{"names":["{name}"],"action":"SCMP_ACT_ERRNO","errnoRet":{errno},
                    "args":[{{"index":1,"value":{errno}00000000,"op":"SCMP_CMP_GT"}}]}}"#
            ));
        } else if number % 2 == 0 {
            entries.push(format!(r#"{{"names":["{name}"],"action":"SCMP_ACT_TRACE","errnoRet":{number}}}"#));
        }
    }
    let json = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}}"#, entries.join(","));
    let profile = profile(&json);
    let program = program(&profile, &ALL[..3]);
    assert!(program.len() > 1000, "{}", program.len());
    let oracle = Oracle::new(&profile, &ALL[..3]);
    for number in (0..600).chain(X32_BIT..X32_BIT + 600) {
        for arch in ALL.map(Abi::audit_arch) {
            for value in [
                0,
                1,
                u64::from(number % 400 + 1) * 100_000_000,
                u64::from(number % 400 + 1) * 100_000_000 + 1,
            ] {
                let args = [value; 6];
                let (got, steps) = run(&program, arch, number, args);
                assert_eq!(
                    got,
                    oracle.answer(arch, number, args),
                    "arch {arch:#x}, number {number}, {value}"
                );
                assert!(steps < 40, "{steps}");
            }
        }
    }
}

#[test]
fn refused_profiles() {
    for (json, word) in [
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#, "defaultAction"),
        (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":5000}"#, "4095"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","defaultErrnoRet":5}"#,
            "defaultErrnoRet is for SCMP_ACT_ERRNO",
        ),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerMetadata":"x"}"#, "without listenerPath"),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_ERRNO"}]}"#,
            "syscalls[0].names",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "listenerPath",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x","syscalls":[{"names":["write"],"action":"SCMP_ACT_NOTIFY"}]}"#,
            "write",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_KILL",
                "args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]}]}"#,
            "index 6",
        ),
    ] {
        let error = super::compile(&profile(json)).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// The kernel takes a filter, and it does what it says: in a thread, whose end is the filter's.
#[test]
fn installed() {
    let json = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["getppid"],"action":"SCMP_ACT_ERRNO","errnoRet":95},
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":18}]}"#;
    let program = super::compile(&profile(json)).unwrap();
    let thread = std::thread::spawn(move || {
        assert!(program.install().unwrap().is_none());
        std::fs::create_dir("/tmp/ketch-seccomp-test").unwrap_err().raw_os_error()
    });
    assert_eq!(thread.join().unwrap(), Some(18));
}
