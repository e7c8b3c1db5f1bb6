//! Programs that ketch puts inside containers, built for the same target and embedded by the build script.

/// Prints what it sees of its sandbox: the image `hello`.
pub const HELLO: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hello"));

/// Pid 1 of `--init`: starts the command, forwards signals, reaps.
pub const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

/// The process of a pod's infra container: the image `ketch-pause`.
pub const PAUSE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pause"));
