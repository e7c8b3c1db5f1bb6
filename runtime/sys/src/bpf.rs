//! eBPF, as far as a cgroup's device filter needs it: a handful of instructions, loading and attaching.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::{Errno, Result};

/// A register, 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reg(pub u8);

/// `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    pub code: u8,
    /// Destination in the low four bits, source in the high four (little endian).
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

// Classes, sizes and operations of linux/bpf_common.h and linux/bpf.h.
const LDX_MEM_W: u8 = 0x61;
const ALU_AND_K: u8 = 0x54;
const ALU_RSH_K: u8 = 0x74;
const ALU_MOV_K: u8 = 0xb4;
const ALU_MOV_X: u8 = 0xbc;
const JMP_JA: u8 = 0x05;
const JMP32_JSET_K: u8 = 0x46;
const JMP32_JNE_K: u8 = 0x56;
const JMP_EXIT: u8 = 0x95;

const fn insn(code: u8, dst: Reg, src: Reg, offset: i16, immediate: u32) -> Insn {
    Insn { code, registers: dst.0 | src.0 << 4, offset, immediate: immediate.cast_signed() }
}

/// `dst = *(u32 *)(src + offset)`
pub const fn load_word(dst: Reg, src: Reg, offset: i16) -> Insn {
    insn(LDX_MEM_W, dst, src, offset, 0)
}

/// `dst = src`, 32 bits.
pub const fn copy(dst: Reg, src: Reg) -> Insn {
    insn(ALU_MOV_X, dst, src, 0, 0)
}

/// `dst = value`, 32 bits.
pub const fn set(dst: Reg, value: u32) -> Insn {
    insn(ALU_MOV_K, dst, Reg(0), 0, value)
}

/// `dst &= mask`, 32 bits.
pub const fn and(dst: Reg, mask: u32) -> Insn {
    insn(ALU_AND_K, dst, Reg(0), 0, mask)
}

/// `dst >>= bits`, 32 bits.
pub const fn shift_right(dst: Reg, bits: u32) -> Insn {
    insn(ALU_RSH_K, dst, Reg(0), 0, bits)
}

/// Goes past the next `count` instructions.
pub const fn skip(count: i16) -> Insn {
    insn(JMP_JA, Reg(0), Reg(0), count, 0)
}

/// Goes past the next `count` instructions unless `register == value`, 32 bits.
pub const fn skip_unless_equal(register: Reg, value: u32, count: i16) -> Insn {
    insn(JMP32_JNE_K, register, Reg(0), count, value)
}

/// Goes past the next `count` instructions if `register & mask != 0`, 32 bits.
pub const fn skip_if_any(register: Reg, mask: u32, count: i16) -> Insn {
    insn(JMP32_JSET_K, register, Reg(0), count, mask)
}

/// Returns what is in register 0.
pub const fn exit() -> Insn {
    insn(JMP_EXIT, Reg(0), Reg(0), 0, 0)
}

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
/// Programs of this cgroup and of its parents all run, and all must allow (Linux 4.15).
const BPF_F_ALLOW_MULTI: u32 = 2;

/// The head of `union bpf_attr` for `BPF_PROG_LOAD`; the kernel takes what is not given as zero.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
}

/// The same for `BPF_PROG_ATTACH`.
#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Verifies and loads a device filter.
///
/// 32-bit jumps need Linux 5.1. Before 5.11 programs count against `RLIMIT_MEMLOCK`: EPERM then.
pub fn load_cgroup_device(program: &[Insn]) -> Result<OwnedFd> {
    let attr = LoadAttr {
        prog_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        insn_cnt: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        insns: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
    };
    // SAFETY: attr and its size agree; both addresses in it outlive the call, which only reads
    // `insn_cnt` instructions and a NUL-terminated string there.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attr, size_of::<LoadAttr>()) };
    // SAFETY: the call returned a new descriptor that nobody else owns.
    Errno::result(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches a device filter to a v2 cgroup; it stays for the cgroup's life, without the descriptors.
pub fn attach_cgroup_device(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> Result<()> {
    let attr = AttachAttr {
        target_fd: cgroup.as_raw_fd().cast_unsigned(),
        attach_bpf_fd: program.as_raw_fd().cast_unsigned(),
        attach_type: BPF_CGROUP_DEVICE,
        attach_flags: BPF_F_ALLOW_MULTI,
    };
    // SAFETY: attr and its size agree, and it holds no address.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_ATTACH, &raw const attr, size_of::<AttachAttr>()) };
    Errno::result(done).map(drop)
}
