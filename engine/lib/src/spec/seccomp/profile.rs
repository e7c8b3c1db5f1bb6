//! Docker's profile format: OCI's `linux.seccomp` plus conditions (`includes`, `excludes`) and `archMap`.

use ketch_runtime::spec::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSeccompOperator,
    LinuxSyscall,
};
use nix::errno::Errno;
use serde::Deserialize;

use super::Context;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("is not a seccomp profile")]
    Parse(#[source] serde_json::Error),
    #[error("{0} names no architecture of its own and none with archMap for {1}")]
    Architectures(&'static str, String),
    #[error("names both `architectures` and `archMap`: only one may be given")]
    TwoArchitectures,
    #[error("has a rule with both `name` and `names`")]
    TwoNames,
    #[error("has the errno {0:?}, which Linux does not")]
    Errno(String),
    #[error("has the kernel version {0:?}: major.minor is expected")]
    Kernel(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Profile {
    default_action: LinuxSeccompAction,
    default_errno_ret: Option<u32>,
    default_errno: Option<String>,
    #[serde(default)]
    architectures: Vec<Arch>,
    #[serde(default)]
    arch_map: Vec<ArchMap>,
    #[serde(default)]
    flags: Vec<LinuxSeccompFilterFlag>,
    listener_path: Option<std::path::PathBuf>,
    listener_metadata: Option<String>,
    #[serde(default)]
    syscalls: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArchMap {
    architecture: Arch,
    #[serde(default)]
    sub_architectures: Option<Vec<Arch>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    #[serde(default)]
    name: String,
    #[serde(default)]
    names: Vec<String>,
    action: LinuxSeccompAction,
    errno_ret: Option<u32>,
    errno: Option<String>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default, rename = "comment")]
    _comment: Option<String>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: LinuxSeccompOperator,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Condition {
    caps: Option<Vec<Capability>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

/// `text` without the rules that do not apply to `context`.
pub(super) fn resolve(text: &str, context: Context<'_>) -> Result<LinuxSeccomp, ProfileError> {
    let profile: Profile = serde_json::from_str(text).map_err(ProfileError::Parse)?;
    let architectures = architectures(&profile, context)?;
    let mut syscalls = Vec::new();
    for rule in profile.syscalls.unwrap_or_default() {
        if rule.includes.all_hold(context)? && !rule.excludes.any_holds(context)? {
            syscalls.push(syscall(rule)?);
        }
    }

    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(profile.default_action);
    seccomp.set_default_errno_ret(errno(profile.default_errno_ret, profile.default_errno)?);
    seccomp.set_architectures(Some(architectures).filter(|list| !list.is_empty()));
    seccomp.set_flags(Some(profile.flags).filter(|list| !list.is_empty()));
    seccomp.set_listener_path(profile.listener_path);
    seccomp.set_listener_metadata(profile.listener_metadata);
    seccomp.set_syscalls(Some(syscalls));
    Ok(seccomp)
}

fn architectures(profile: &Profile, context: Context<'_>) -> Result<Vec<Arch>, ProfileError> {
    if profile.arch_map.is_empty() {
        return Ok(profile.architectures.clone());
    }
    if !profile.architectures.is_empty() {
        return Err(ProfileError::TwoArchitectures);
    }
    let own = super::architectures(context.arch)[0];
    let map = profile.arch_map.iter().find(|map| map.architecture == own);
    let map = map.ok_or_else(|| ProfileError::Architectures("archMap", context.arch.to_owned()))?;
    Ok(std::iter::once(own).chain(map.sub_architectures.iter().flatten().copied()).collect())
}

impl Condition {
    /// Every condition that is given holds; what is not given holds.
    fn all_hold(&self, context: Context<'_>) -> Result<bool, ProfileError> {
        let caps = self.caps.as_deref().unwrap_or_default();
        let arches = self.arches.as_deref().unwrap_or_default();
        Ok(caps.iter().all(|cap| context.capabilities.contains(cap))
            && (arches.is_empty() || arches.iter().any(|arch| arch == context.arch))
            && self.kernel()?.is_none_or(|kernel| context.kernel >= kernel))
    }

    /// One condition that is given holds.
    fn any_holds(&self, context: Context<'_>) -> Result<bool, ProfileError> {
        let caps = self.caps.as_deref().unwrap_or_default();
        let arches = self.arches.as_deref().unwrap_or_default();
        Ok(caps.iter().any(|cap| context.capabilities.contains(cap))
            || arches.iter().any(|arch| arch == context.arch)
            || self.kernel()?.is_some_and(|kernel| context.kernel >= kernel))
    }

    fn kernel(&self) -> Result<Option<(u32, u32)>, ProfileError> {
        let Some(text) = self.min_kernel.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        let parsed = text.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        parsed.map(Some).ok_or_else(|| ProfileError::Kernel(text.to_owned()))
    }
}

fn syscall(rule: Rule) -> Result<LinuxSyscall, ProfileError> {
    let names = match (rule.name.is_empty(), rule.names.is_empty()) {
        (false, false) => return Err(ProfileError::TwoNames),
        (false, true) => vec![rule.name],
        _ => rule.names,
    };
    let mut syscall = LinuxSyscall::default();
    syscall.set_names(names);
    syscall.set_action(rule.action);
    syscall.set_errno_ret(errno(rule.errno_ret, rule.errno)?);
    let args = rule.args.unwrap_or_default();
    if !args.is_empty() {
        let args = args
            .into_iter()
            .map(|a| super::arg(a.index, a.value, Some(a.value_two).filter(|&v| v != 0), a.op));
        syscall.set_args(Some(args.collect()));
    }
    Ok(syscall)
}

/// The name wins over the number, as in podman.
fn errno(number: Option<u32>, name: Option<String>) -> Result<Option<u32>, ProfileError> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(number) };
    // Linux's numbers end at EHWPOISON, 133.
    let found = (1..=133).find(|&raw| format!("{:?}", Errno::from_raw(raw)) == name);
    found.map(|raw| Some(raw as u32)).ok_or(ProfileError::Errno(name))
}
