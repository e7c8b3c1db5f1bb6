//! Seccomp profiles for the fuzzer and for the comparison with libseccomp.

pub mod profile;
