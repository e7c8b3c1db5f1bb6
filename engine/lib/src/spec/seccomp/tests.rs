use ketch_runtime::spec::Capability as Cap;

use super::*;

fn context<'a>(capabilities: &'a [Capability]) -> Context<'a> {
    Context { arch: "amd64", capabilities, kernel: (6, 1) }
}

/// What happens to `name` called with arguments that no rule of it tests: the first rule that matches.
fn verdict(seccomp: &LinuxSeccomp, name: &str) -> String {
    let rules = seccomp.syscalls().as_ref().unwrap();
    let rule = rules.iter().find(|r| r.args().is_none() && r.names().iter().any(|n| n == name));
    match rule {
        None => format!("default {}", seccomp.default_errno_ret().unwrap_or_default()),
        Some(rule) if rule.action() == LinuxSeccompAction::ScmpActAllow => "allow".to_owned(),
        Some(rule) => format!("errno {}", rule.errno_ret().unwrap_or_default()),
    }
}

#[test]
fn default_by_capabilities() {
    let cases: &[(&[Cap], &str, &str)] = &[
        (&[], "openat", "allow"),
        (&[], "clone3", "allow"),
        (&[], "chroot", "errno 1"),
        (&[Cap::SysChroot], "chroot", "allow"),
        (&[], "bpf", "errno 1"),
        (&[Cap::Bpf], "bpf", "allow"),
        (&[Cap::SysAdmin], "bpf", "allow"),
        (&[], "init_module", "errno 1"),
        (&[Cap::SysModule], "init_module", "allow"),
        (&[], "settimeofday", "errno 1"),
        (&[], "arch_prctl", "allow"),
        (&[], "io_uring_setup", "default 38"),
        (&[], "riscv_flush_icache", "default 38"),
        (&[], "userfaultfd", "errno 1"),
    ];
    for (caps, name, expected) in cases {
        assert_eq!(&verdict(&default(context(caps)), name), expected, "{name} with {caps:?}");
    }
}

#[test]
fn default_counts() {
    let seccomp = default(context(&[]));
    let rules = seccomp.syscalls().as_ref().unwrap();
    assert_eq!(rules[0].names().len(), 35);
    assert_eq!(rules[1].names().len(), 370);
    assert_eq!(rules.iter().filter(|r| r.names() == &["personality"]).count(), 5);
    assert_eq!(rules.iter().filter(|r| r.names() == &["socket"]).count(), 4);
    assert_eq!(seccomp.architectures().as_ref().unwrap().len(), 3);
}

#[test]
fn custom_conditions() {
    let text = r#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
        "syscalls": [
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_BPF"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF"]}},
            {"names": ["c"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.1"}},
            {"names": ["d"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.2"}},
            {"name": "e", "action": "SCMP_ACT_ERRNO", "errno": "EACCES", "args": null, "comment": "x"},
            {"names": ["f"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}}
        ]}"#;
    let names = |caps: &[Cap]| -> Vec<String> {
        let seccomp = custom(text, context(caps)).unwrap();
        seccomp.syscalls().as_ref().unwrap().iter().flat_map(|rule| rule.names().clone()).collect()
    };
    assert_eq!(names(&[]), ["b", "c", "e"]);
    assert_eq!(names(&[Cap::Bpf]), ["a", "c", "e"]);

    let seccomp = custom(text, context(&[])).unwrap();
    assert_eq!(seccomp.default_errno_ret(), Some(38));
    assert_eq!(seccomp.syscalls().as_ref().unwrap()[2].errno_ret(), Some(13));
    assert_eq!(seccomp.architectures().as_ref().unwrap(), &[Arch::ScmpArchX86_64, Arch::ScmpArchX86]);
}

#[test]
fn custom_refusals() {
    let cases = [
        ("", "is not a seccomp profile"),
        (r#"{"defaultAction": "SCMP_ACT_BOGUS"}"#, "is not a seccomp profile"),
        (r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EBOGUS"}"#, "has the errno \"EBOGUS\""),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"],
                "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}"#,
            "both `architectures` and `archMap`",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_S390X"}]}"#,
            "for amd64",
        ),
    ];
    for (text, expected) in cases {
        let error = custom(text, context(&[])).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}
