//! Device rules → an eBPF program of type `BPF_PROG_TYPE_CGROUP_DEVICE`.
//!
//! The kernel runs it on every open and mknod of a device with a `struct bpf_cgroup_dev_ctx`; what it returns
//! is whether to allow. The rules are asked from the last to the first, each crossing off
//! the accesses that it allows: when none is left the answer is yes, when one is denied it is no.

use ketch_sys::bpf::{self, Insn, Reg};
use oci_spec::runtime::LinuxDeviceCgroup;

use super::{ALL, Rule, rules};
use crate::Error;

// The context's address is in R1 on entry.
const CONTEXT: Reg = Reg(1);
const ANSWER: Reg = Reg(0);
const KIND: Reg = Reg(2);
const ACCESS: Reg = Reg(3);
const MAJOR: Reg = Reg(4);
const MINOR: Reg = Reg(5);

/// None if the rules allow everything.
pub(crate) fn program(configured: &[LinuxDeviceCgroup]) -> Result<Option<Vec<Insn>>, Error> {
    let rules = rules(configured)?;
    let deciding = rules.iter().rposition(|rule| matches!(rule, Rule::Everything { .. }));
    let denies =
        |rule: &Rule| matches!(rule, Rule::Everything { allow: false } | Rule::Some { allow: false, .. });
    match deciding {
        Some(last) if !rules[last..].iter().any(denies) => Ok(None),
        _ => Ok(Some(compile(&rules))),
    }
}

fn compile(rules: &[Rule]) -> Vec<Insn> {
    let mut program = vec![
        // access_type: the kind in the low half, the access in the high half.
        bpf::load_word(KIND, CONTEXT, 0),
        bpf::copy(ACCESS, KIND),
        bpf::shift_right(ACCESS, 16),
        bpf::and(KIND, 0xffff),
        bpf::load_word(MAJOR, CONTEXT, 4),
        bpf::load_word(MINOR, CONTEXT, 8),
    ];
    let mut otherwise = false;
    for rule in rules.iter().rev() {
        match rule {
            Rule::Everything { allow } => {
                otherwise = *allow;
                break;
            }
            Rule::Some { allow, devices, access } => {
                let decide = decide(*allow, *access);
                let mut tests = vec![(KIND, devices.kind as u32)];
                tests.extend(devices.major.map(|major| (MAJOR, major)));
                tests.extend(devices.minor.map(|minor| (MINOR, minor)));
                // A test that fails goes past the tests after it and the decision.
                for (i, (register, value)) in tests.iter().enumerate() {
                    let skip = tests.len() - i - 1 + decide.len();
                    program.push(bpf::skip_unless_equal(*register, *value, skip as i16));
                }
                program.extend(decide);
            }
        }
    }
    program.extend(answer(otherwise));
    program
}

/// What to do about a device that a rule is about.
fn decide(allow: bool, access: u8) -> Vec<Insn> {
    let access = u32::from(access);
    match (allow, access as u8) {
        (true, ALL) => answer(true).to_vec(),
        (true, _) => {
            let mut decide = vec![bpf::and(ACCESS, !access), bpf::skip_unless_equal(ACCESS, 0, 2)];
            decide.extend(answer(true));
            decide
        }
        (false, _) => {
            let mut decide = vec![bpf::skip_if_any(ACCESS, access, 1), bpf::skip(2)];
            decide.extend(answer(false));
            decide
        }
    }
}

fn answer(allow: bool) -> [Insn; 2] {
    [bpf::set(ANSWER, u32::from(allow)), bpf::exit()]
}

#[cfg(test)]
mod tests {
    use super::super::tests::{from_json, oracle};
    use super::super::{Devices, Kind, MKNOD, READ, WRITE};
    use super::*;

    /// What the kernel does with the program and a context.
    fn run(program: &[Insn], device: &Devices, access: u8) -> bool {
        let mut registers = [0u32; 6];
        let context = [
            u32::from(access) << 16 | device.kind as u32,
            device.major.expect("one device"),
            device.minor.expect("one device"),
        ];
        let mut pc = 0;
        loop {
            let insn = program[pc];
            pc += 1;
            let (dst, src) = (usize::from(insn.registers & 15), usize::from(insn.registers >> 4));
            let value = insn.immediate.cast_unsigned();
            let mut skip_if = |condition: bool| pc += if condition { insn.offset as usize } else { 0 };
            match insn.code {
                0x61 => registers[dst] = context[insn.offset as usize / 4],
                0x54 => registers[dst] &= value,
                0x74 => registers[dst] >>= value,
                0xb4 => registers[dst] = value,
                0xbc => registers[dst] = registers[src],
                0x05 => skip_if(true),
                0x46 => skip_if(registers[dst] & value != 0),
                0x56 => skip_if(registers[dst] != value),
                0x95 => return registers[0] != 0,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn no_program_for_the_privileged() {
        for (json, none) in [
            ("[]", false),
            (r#"[{"allow":false},{"allow":true}]"#, true),
            (r#"[{"allow":true},{"allow":false,"type":"c","major":1,"access":"w"}]"#, false),
        ] {
            assert_eq!(program(&from_json(json)).unwrap().is_none(), none, "{json}");
        }
    }

    #[test]
    fn last_rule_about_an_access_decides() {
        for json in [
            "[]",
            r#"[{"allow":false,"access":"rwm"}]"#,
            r#"[{"allow":true,"access":"rwm"},{"allow":false,"type":"b","major":8,"access":"w"}]"#,
            r#"[{"allow":false},{"allow":true,"type":"c","major":10,"access":"rwm"},
                {"allow":false,"type":"c","major":10,"minor":229,"access":"w"},
                {"allow":true,"type":"a","major":8,"minor":0,"access":"r"}]"#,
            r#"[{"allow":true,"type":"c","major":10,"minor":229,"access":"r"},
                {"allow":true,"type":"c","major":10,"minor":229,"access":"w"}]"#,
        ] {
            let rules = rules(&from_json(json)).unwrap();
            let program = compile(&rules);
            for kind in [Kind::Block, Kind::Char] {
                for (major, minor) in
                    [(1, 3), (1, 11), (5, 1), (8, 0), (8, 1), (10, 200), (10, 229), (136, 7)]
                {
                    let device = Devices { kind, major: Some(major), minor: Some(minor) };
                    for access in 1..=MKNOD | READ | WRITE {
                        let (got, want) = (run(&program, &device, access), oracle(&rules, &device, access));
                        assert_eq!(got, want, "{json}: {device:?}, access {access}");
                    }
                }
            }
        }
    }
}
