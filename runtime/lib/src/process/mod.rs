//! What turns init, or a process that has joined a container, into the configured program.

pub(crate) mod capabilities;
mod cwd;
mod executable;
mod home;
mod keyring;
pub mod lsm;
pub mod memory_policy;
pub mod rlimits;
pub mod scheduler;
mod user;

use std::borrow::Cow;
use std::ffi::CString;
use std::os::fd::OwnedFd;

use nix::sys::stat::{Mode, umask};

use crate::plan::process::ProcessPlan;
use crate::seccomp::Program;
use crate::step::{At, EXECUTE, StepError};

/// A process that has given up all it has to, one execve away from being the program.
#[derive(Debug)]
pub struct Ready<'a> {
    path: CString,
    args: &'a [CString],
    env: Cow<'a, [CString]>,
    /// Still to be installed.
    seccomp: Option<&'a Program>,
}

/// What only the host's privileges can do for `pid` (0: the caller), a process on its way into the
/// container: limits that rise and an OOM score that falls take `CAP_SYS_RESOURCE` in the host's
/// user namespace. Called before that process calls [`prepare`], where `/proc` is the host's.
pub fn set_from_host(plan: &ProcessPlan, pid: i32) -> Result<(), StepError> {
    rlimits::make_room(pid, &plan.rlimits)?;
    if let Some(score) = plan.oom_score_adj {
        let file = if pid == 0 {
            "/proc/self/oom_score_adj".to_owned()
        } else {
            format!("/proc/{pid}/oom_score_adj")
        };
        std::fs::write(&file, score.to_string()).at("write", &file)?;
    }
    Ok(())
}

/// Makes the calling process what the plan says, but for the last step.
///
/// Runs inside the container, after `pivot_root` and with the console in place, in a process of
/// one thread. Its privileges are gone afterwards: on error the process can only report and end.
///
/// The order is the kernel's. First what takes privilege, then the ids and capabilities, then what
/// has to be seen with the final user's eyes. A seccomp filter that must be installed with
/// `CAP_SYS_ADMIN` comes last: a profile need not allow what is called above it.
pub fn prepare<'a>(
    plan: &'a ProcessPlan,
    on_listener: &mut dyn FnMut(OwnedFd) -> Result<(), StepError>,
) -> Result<Ready<'a>, StepError> {
    keyring::join(&plan.keyring)?;
    scheduler::set(plan)?;
    if let Some(policy) = &plan.memory_policy {
        memory_policy::set(policy)?;
    }
    let entered = cwd::enter(plan)?;
    umask(Mode::from_bits_truncate(plan.user.umask));
    let env = environment(plan);
    if let Some(label) = &plan.label {
        lsm::set(label)?;
    }
    // Late: a small RLIMIT_NOFILE or RLIMIT_FSIZE must not hinder the steps above.
    rlimits::set(&plan.rlimits)?;

    let (early, late) = match &plan.seccomp {
        Some(filter) if filter.early => (Some(&filter.program), None),
        filter => (None, filter.as_ref().map(|filter| &filter.program)),
    };
    let held = match early {
        Some(_) if !plan.no_new_privileges => capabilities::SYS_ADMIN & !plan.capabilities.effective,
        _ => 0,
    };
    capabilities::limit(plan.capabilities.bounding)?;
    user::change(&plan.user)?;
    capabilities::set(&plan.capabilities, held)?;

    cwd::enter_as_user(plan, entered)?;
    let path = executable::find(&plan.args[0], &env)?;
    if plan.no_new_privileges {
        nix::sys::prctl::set_no_new_privs().at("set no_new_privs", "")?;
    }
    if let Some(listener) = early.map(Program::install).transpose()?.flatten() {
        on_listener(listener)?;
    }
    if held != 0 {
        capabilities::give_up(&plan.capabilities)?;
    }
    Ok(Ready { path, args: &plan.args, env, seccomp: late })
}

/// The environment with `HOME` in it; an empty one counts as none, as in runc.
fn environment(plan: &ProcessPlan) -> Cow<'_, [CString]> {
    let home = plan.env.iter().position(|entry| entry.to_bytes().starts_with(b"HOME="));
    if home.is_some_and(|at| plan.env[at].as_bytes() != b"HOME=") {
        return Cow::Borrowed(&plan.env);
    }
    let mut env = plan.env.clone();
    home.map(|at| env.remove(at));
    env.push(home::variable(plan.user.uid));
    Cow::Owned(env)
}

impl Ready<'_> {
    /// Becomes the program; returns only when it could not.
    pub fn exec(self) -> StepError {
        if let Some(Err(error)) = self.seccomp.map(Program::install) {
            return error;
        }
        let Err(errno) = nix::unistd::execve(&self.path, self.args, &self.env);
        StepError { step: EXECUTE.to_owned(), object: self.path.to_string_lossy().into_owned(), errno }
    }
}
