//! The process that `exec` starts: the container's own with the flags' changes, or one from a file.

use anyhow::{Context, bail};
use ketch_runtime::container::state::State;
use ketch_runtime::spec::{Capabilities, Capability, LinuxCapabilities, Process, load_process};

use super::Args;
use crate::globals::Globals;
use crate::report;

/// Builds it. Flags apply to a process read from a file too.
pub(crate) fn build(globals: &Globals, state: &State, args: &Args) -> anyhow::Result<Process> {
    let mut process = match &args.process {
        Some(path) => {
            let read = load_process(path)?;
            read.warnings.iter().for_each(|warning| report::warning(globals, warning));
            read.value
        }
        None => of_container(state, args)?,
    };
    if args.tty {
        process.set_terminal(Some(true));
    }
    if let Some(cwd) = &args.cwd {
        process.set_cwd(cwd.clone());
    }
    if !args.env.is_empty() {
        process.set_env(Some([process.env().clone().unwrap_or_default(), args.env.clone()].concat()));
    }
    if let Some(label) = &args.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    if let Some(profile) = &args.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if let Some(no_new_privs) = args.no_new_privs {
        process.set_no_new_privileges(Some(no_new_privs));
    }
    if let Some(user) = &args.user {
        set_user(&mut process, user)?;
    }
    if !args.additional_gids.is_empty() {
        let gids = process.user().additional_gids().clone().unwrap_or_default();
        process.user_mut().set_additional_gids(Some([gids, args.additional_gids.clone()].concat()));
    }
    if !args.cap.is_empty() {
        let capabilities = process.capabilities().clone().unwrap_or_default();
        process.set_capabilities(Some(with_capabilities(capabilities, &args.cap)?));
    }
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        bail!("no command given");
    }
    Ok(process)
}

/// The container's process with another command; it has a terminal only when asked for.
fn of_container(state: &State, args: &Args) -> anyhow::Result<Process> {
    let mut process =
        state.config.process.clone().context("the container's configuration has no process to start from")?;
    process.set_args(Some(args.command.clone())).set_terminal(Some(false)).set_console_size(None);
    Ok(process)
}

/// `UID` or `UID:GID`; names are the engine's business, whose user database is the image's.
fn set_user(process: &mut Process, user: &str) -> anyhow::Result<()> {
    let id = |word: &str| {
        word.parse::<u32>().with_context(|| format!("invalid user {user:?}: expected UID[:GID]"))
    };
    let (uid, gid) = user.split_once(':').map_or((user, None), |(uid, gid)| (uid, Some(gid)));
    process.user_mut().set_uid(id(uid)?);
    if let Some(gid) = gid {
        process.user_mut().set_gid(id(gid)?);
    }
    Ok(())
}

/// Adds to the bounding, effective and permitted sets, as runc does; the program's own files decide on the others.
fn with_capabilities(mut sets: LinuxCapabilities, names: &[String]) -> anyhow::Result<LinuxCapabilities> {
    let added: Vec<Capability> = names
        .iter()
        .map(|name| capability(name).with_context(|| format!("unknown capability {name:?}")))
        .collect::<anyhow::Result<_>>()?;
    let with = |set: &Option<Capabilities>| Some(set.iter().flatten().chain(&added).copied().collect());
    let (bounding, effective, permitted) =
        (with(sets.bounding()), with(sets.effective()), with(sets.permitted()));
    sets.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    Ok(sets)
}

/// `CAP_NET_ADMIN`, `net_admin`.
fn capability(name: &str) -> Option<Capability> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    serde_json::from_value(format!("CAP_{name}").into()).ok()
}
