//! Which system calls a container may make: the built-in profile, or a user's in docker's format.

mod default;
mod profile;

use ketch_runtime::spec::{
    Arch, Capability, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompOperator, LinuxSyscall,
};

pub use profile::ProfileError;

/// What a profile's conditions are decided by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// Go's name of the architecture: `amd64`, `arm64`.
    pub(super) arch: &'a str,
    /// The container's bounding set.
    pub(super) capabilities: &'a [Capability],
    /// The host's major and minor.
    pub(super) kernel: (u32, u32),
}

/// Go's name of the architecture that this is built for, which profiles use.
pub(super) const ARCH: &str = if cfg!(target_arch = "x86_64") {
    "amd64"
} else if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    std::env::consts::ARCH
};

/// One line of the built-in profile.
#[derive(Debug)]
struct Rule {
    /// Separated by blanks.
    names: &'static str,
    action: Action,
    when: When,
    /// Argument index, comparison, value: all must hold.
    args: &'static [(usize, LinuxSeccompOperator, u64)],
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Allow,
    Errno(u32),
}

#[derive(Debug, Clone, Copy)]
enum When {
    Always,
    Has(&'static [Capability]),
    Lacks(&'static [Capability]),
    Arch(&'static [&'static str]),
}

impl When {
    fn holds(self, context: Context<'_>) -> bool {
        let has = |cap: &Capability| context.capabilities.contains(cap);
        match self {
            When::Always => true,
            When::Has(caps) => caps.iter().all(has),
            When::Lacks(caps) => !caps.iter().any(has),
            When::Arch(names) => names.contains(&context.arch),
        }
    }
}

/// The built-in profile as it applies to `context`.
pub(super) fn default(context: Context<'_>) -> LinuxSeccomp {
    let syscalls = default::RULES.iter().filter(|rule| rule.when.holds(context)).map(syscall).collect();

    let mut seccomp = LinuxSeccomp::default();
    seccomp.set_default_action(LinuxSeccompAction::ScmpActErrno);
    seccomp.set_default_errno_ret(Some(default::DEFAULT_ERRNO));
    seccomp.set_architectures(Some(architectures(context.arch)));
    seccomp.set_syscalls(Some(syscalls));
    seccomp
}

/// A user's profile (docker's format) as it applies to `context`.
pub(super) fn custom(text: &str, context: Context<'_>) -> Result<LinuxSeccomp, ProfileError> {
    profile::resolve(text, context)
}

/// The architecture and those that the same kernel runs beside it.
fn architectures(arch: &str) -> Vec<Arch> {
    match arch {
        "amd64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
        "arm64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => vec![Arch::ScmpArchNative],
    }
}

fn syscall(rule: &Rule) -> LinuxSyscall {
    let mut syscall = LinuxSyscall::default();
    syscall.set_names(rule.names.split_ascii_whitespace().map(str::to_owned).collect());
    match rule.action {
        Action::Allow => syscall.set_action(LinuxSeccompAction::ScmpActAllow),
        Action::Errno(errno) => {
            syscall.set_action(LinuxSeccompAction::ScmpActErrno).set_errno_ret(Some(errno))
        }
    };
    if !rule.args.is_empty() {
        syscall.set_args(Some(
            rule.args.iter().map(|&(index, op, value)| arg(index, value, None, op)).collect(),
        ));
    }
    syscall
}

fn arg(index: usize, value: u64, value_two: Option<u64>, op: LinuxSeccompOperator) -> LinuxSeccompArg {
    let arg = LinuxSeccompArgBuilder::default().index(index).value(value).op(op);
    let arg = value_two.into_iter().fold(arg, LinuxSeccompArgBuilder::value_two);
    arg.build().expect("every field has a default")
}

#[cfg(test)]
mod tests;
