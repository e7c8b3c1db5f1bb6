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

pub(crate) fn program(configured: &[LinuxDeviceCgroup]) -> Result<Vec<Insn>, Error> {
    Ok(compile(&rules(configured)?))
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
