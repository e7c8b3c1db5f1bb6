//! The seccomp compiler: what it makes of a profile is a program that the kernel takes, and that answers every call as a direct
//! reading of the profile does.

#![no_main]

use ketch_fuzz::profile;
use ketch_runtime::fuzzing::Judge;
use ketch_sys::seccomp::Insn;
use libfuzzer_sys::fuzz_target;

const X86_64: u32 = 0xc000_003e;
const ARCHITECTURES: [u32; 3] = [X86_64, 0x4000_0003, 0xc000_00b7];
const X32_BIT: u32 = 0x4000_0000;

/// bpf_check_classic and seccomp_check_filter of the kernel: every jump lands in the program, the last instruction answers, loads
/// are of whole words of `struct seccomp_data`. As jumps go forwards, such a program ends.
fn check(program: &[Insn]) {
    assert!((1..=4096).contains(&program.len()));
    for (at, Insn { code, jump_true, jump_false, k }) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        match code {
            0x20 => assert!(*k < 64 && k % 4 == 0, "load of {k}"),
            0x15 | 0x25 | 0x35 | 0x45 => {
                assert!(usize::from(*jump_true) < left && usize::from(*jump_false) < left, "jump at {at}");
            }
            0x05 => assert!((*k as usize) < left, "jump at {at}"),
            0x06 | 0x54 => {}
            other => panic!("instruction {other:#x}"),
        }
    }
    assert_eq!(program[program.len() - 1].code, 0x06, "the last instruction answers");
}

fuzz_target!(|bytes: &[u8]| {
    // The last bytes choose which calls are made.
    let Some((bytes, seed)) = bytes.split_last_chunk::<2>() else { return };
    let seed = u16::from_le_bytes(*seed);
    let Some(profile) = profile::of(bytes) else { return };
    let Ok(judge) = Judge::new(&profile) else { return };
    check(judge.instructions());

    let values = profile::values(&profile);
    let numbers = (u32::from(seed) % 7..480).step_by(7).chain([u32::MAX, X32_BIT - 1, 0xf_0002]);
    let numbers = numbers.flat_map(|number| [number, number | X32_BIT]).chain(X32_BIT + 512..X32_BIT + 520);
    for number in numbers {
        for arch in ARCHITECTURES {
            let some = profile::arguments(&values).skip(usize::from(seed) % 3).step_by(3);
            for args in some {
                let (got, want) = judge.answers(arch, number, args);
                assert_eq!(got, want, "arch {arch:#x}, number {number:#x}, arguments {args:x?}, {profile:?}");
            }
        }
    }
});
