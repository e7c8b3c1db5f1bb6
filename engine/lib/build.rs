//! Builds the guest programs (`engine/guest`) for this crate's own target and leaves them in `OUT_DIR`.
//!
//! A nested cargo with a target directory of its own: the outer one holds the lock of the usual one. Always a release
//! build, since the programs are written into every container that uses them. Nothing is fetched: the guest's
//! dependencies are this workspace's, in the same lock file.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let manifest = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let guest = manifest.parent().expect("the crate is below engine/").join("guest");
    let out = PathBuf::from(var("OUT_DIR"));
    for input in [
        "Cargo.toml",
        "src",
        "../../runtime/sys/src",
        "../../Cargo.toml",
        "../../Cargo.lock",
        "../../.cargo/config.toml",
    ] {
        println!("cargo::rerun-if-changed={}", guest.join(input).display());
    }
    println!("cargo::rerun-if-changed=build.rs");

    let target = var("TARGET");
    build(&guest, &target, &out);
    for program in ["hello", "init", "pause"] {
        let built = out.join("guest").join(&target).join("release").join(program);
        fs::copy(&built, out.join(program))
            .unwrap_or_else(|error| panic!("cannot copy {}: {error}", built.display()));
    }
}

fn build(guest: &Path, target: &OsString, out: &Path) {
    let mut cargo = Command::new(var("CARGO"));
    cargo
        .current_dir(guest)
        .args(["build", "--release", "--offline", "--bins", "--manifest-path"])
        .arg(guest.join("Cargo.toml"))
        .arg("--target")
        .arg(target)
        .arg("--target-dir")
        .arg(out.join("guest"));
    for (name, _) in env::vars_os().filter(|(name, _)| is_ours(name)) {
        cargo.env_remove(name);
    }
    let status =
        cargo.status().unwrap_or_else(|error| panic!("cannot run cargo for the guest programs: {error}"));
    assert!(status.success(), "the guest programs did not build");
}

/// What cargo set for this build and must not reach the nested one: flags given by environment would replace those of
/// .cargo/config.toml, and wrappers like clippy's driver would check instead of build. The user's own settings and the
/// jobserver stay.
fn is_ours(name: &OsString) -> bool {
    const NAMES: [&str; 7] = [
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CLIPPY_ARGS",
        "RUSTC",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
    ];
    const PREFIXES: [&str; 4] = ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    name.to_str()
        .is_some_and(|name| NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

fn var(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name}"))
}
