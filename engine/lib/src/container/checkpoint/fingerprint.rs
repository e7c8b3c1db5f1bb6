//! What a checkpoint depends on of the machine and the programs that made it: looked at before anything is restored elsewhere.

use std::collections::BTreeSet;

use ketch_cgroups::Layout;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fingerprint {
    /// `6.18.1`
    pub kernel: String,
    /// `x86_64`
    pub machine: String,
    /// The processor's features, as the kernel names them.
    pub cpu: BTreeSet<String>,
    /// `v1` or `v2`
    pub cgroup: String,
    /// `ketch 0.1.0`
    pub runtime: String,
}

#[derive(Debug, thiserror::Error)]
pub enum MismatchError {
    #[error("the checkpoint was made on {there}, and this is {here}: processes cannot be moved between them")]
    Machine { there: String, here: String },
    #[error(
        "the checkpoint was made on a processor with features that this one lacks ({}): the processes may use them, and would die",
        .0.join(", ")
    )]
    Cpu(Vec<String>),
    #[error(
        "the checkpoint was made on a host with cgroup {there}, and this one has {here}: the container's cgroup mounts cannot be restored"
    )]
    Cgroup { there: String, here: String },
    #[error("cannot find out what this machine is: {0}")]
    Unknown(String),
}

impl Fingerprint {
    /// This machine's.
    pub fn here() -> Result<Fingerprint, MismatchError> {
        let unknown = |error: &dyn std::fmt::Display| MismatchError::Unknown(error.to_string());
        let uname = nix::sys::utsname::uname().map_err(|errno| unknown(&errno.desc()))?;
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").map_err(|error| unknown(&error))?;
        let layout = ketch_cgroups::detect().map_err(|error| unknown(&error))?;
        Ok(Fingerprint {
            kernel: uname.release().to_string_lossy().into_owned(),
            machine: uname.machine().to_string_lossy().into_owned(),
            cpu: features(&cpuinfo),
            cgroup: if layout == Layout::V2 { "v2" } else { "v1" }.to_owned(),
            runtime: concat!("ketch ", env!("CARGO_PKG_VERSION")).to_owned(),
        })
    }

    /// Refuses what cannot be restored at `here`. Another kernel may do: CRIU knows best.
    pub fn check(&self, here: &Fingerprint) -> Result<(), MismatchError> {
        let (there, here_machine) = (self.machine.clone(), here.machine.clone());
        if there != here_machine {
            return Err(MismatchError::Machine { there, here: here_machine });
        }
        let lacking: Vec<String> = self.cpu.difference(&here.cpu).cloned().collect();
        if !lacking.is_empty() {
            return Err(MismatchError::Cpu(lacking));
        }
        let (there, here) = (self.cgroup.clone(), here.cgroup.clone());
        if there == here { Ok(()) } else { Err(MismatchError::Cgroup { there, here }) }
    }
}

/// Features that programs choose code by: `flags` of x86, `Features` of ARM. The kernel lists what it has found out about
/// itself and its hypervisor in the same place; what is kept is what changes instructions or saved state.
fn features(cpuinfo: &str) -> BTreeSet<String> {
    const KEPT: [&str; 9] = ["sse", "ssse", "avx", "amx", "xsave", "aes", "sha", "bmi", "fma"];
    const KEPT_WHOLE: [&str; 12] = [
        "popcnt",
        "movbe",
        "adx",
        "rdrand",
        "rdseed",
        "fsgsbase",
        "pku",
        "lzcnt",
        "abm",
        "f16c",
        "pclmulqdq",
        "erms",
    ];
    let line = cpuinfo.lines().find(|line| line.starts_with("flags") || line.starts_with("Features"));
    let words = line.and_then(|line| line.split_once(':')).map_or("", |(_, words)| words).split_whitespace();
    let is_arm = line.is_some_and(|line| line.starts_with("Features"));
    let is_kept =
        |word: &&str| is_arm || KEPT_WHOLE.contains(word) || KEPT.iter().any(|start| word.starts_with(start));
    words.filter(is_kept).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lacking_is_named() {
        let here = Fingerprint {
            kernel: "6.1".into(),
            machine: "x86_64".into(),
            cpu: features("processor: 0\nflags\t\t: fpu sse4_2 avx hypervisor\n"),
            cgroup: "v1".into(),
            runtime: "x".into(),
        };
        assert_eq!(here.cpu.iter().collect::<Vec<_>>(), ["avx", "sse4_2"]);
        assert!(here.check(&here).is_ok());
        let newer = Fingerprint { cpu: features("flags: sse4_2 avx avx512f"), ..here.clone() };
        assert!(newer.check(&here).unwrap_err().to_string().contains("(avx512f)"));
        let v2 = Fingerprint { cgroup: "v2".into(), ..here.clone() };
        assert!(v2.check(&here).unwrap_err().to_string().contains("cgroup v2"));
        let arm = Fingerprint { machine: "aarch64".into(), ..here.clone() };
        assert!(arm.check(&here).unwrap_err().to_string().contains("aarch64"));
        // Older processor there, another kernel: fine.
        let older = Fingerprint { kernel: "5.10".into(), cpu: features("flags: sse4_2"), ..here.clone() };
        assert!(older.check(&here).is_ok());
    }
}
