//! The container's process: what is run, as whom, where and with what.

use std::path::PathBuf;

use ketch_runtime::spec::{Process, User};
use nix::sys::signal::Signal;
use oci_spec::image::Config;

use super::user::Identity;
use super::{Facts, SpecError, capabilities, env, files, limits, systemd};
use crate::container::options::Options;

/// Where the process starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir {
    pub path: PathBuf,
    /// It is the image's and made when missing, for the container's user. One that the user named must be there.
    pub create: bool,
}

pub(super) fn build(
    options: &Options,
    image: Option<&Config>,
    facts: &Facts<'_>,
    user: &Identity,
    workdir: &Workdir,
    hostname: &str,
) -> Result<Process, SpecError> {
    let apparmor = options.security.apparmor.as_ref().filter(|profile| *profile != "unconfined");
    if let Some(profile) = apparmor
        && !facts.host.apparmor
    {
        return Err(SpecError::NoAppArmor(profile.clone()));
    }
    // A user that passwd does not know has the working directory for a home: podman writes that into passwd.
    let home = user.home.clone().unwrap_or_else(|| match user.unknown_user {
        Some(_) => workdir.path.to_string_lossy().into_owned(),
        None => "/".to_owned(),
    });
    let mut env = env::merge(&env::Sources {
        terminal: options.terminal,
        defaults: &options.defaults,
        image: image.and_then(|image| image.env().as_deref()).unwrap_or_default(),
        options: &options.env,
        home: &home,
        hostname,
    });
    for variable in facts.secrets {
        env::set(&mut env, variable);
    }
    if systemd::is_wanted(options, image) {
        env.push(format!("container_uuid={}", facts.id.get(..32).unwrap_or(facts.id)));
    }
    // setrlimit(2) asks for CAP_SYS_RESOURCE in the first user namespace.
    let held = if facts.host.user_namespace { 0 } else { facts.host.capabilities };
    let rlimits = limits::rlimits(&options.limits, &facts.host.limits, held)?;

    let mut process = Process::default();
    process.set_terminal(Some(options.terminal));
    process.set_user(oci_user(user, options.umask));
    process.set_args(Some(command(options, image)?));
    process.set_env(Some(env));
    process.set_cwd(workdir.path.clone());
    process.set_capabilities(Some(capabilities::resolve(options, user.uid, facts.host.capabilities)?));
    process.set_rlimits(Some(rlimits).filter(|list| !list.is_empty()));
    process.set_no_new_privileges(Some(options.security.no_new_privileges));
    process.set_apparmor_profile(apparmor.cloned());
    process.set_oom_score_adj(options.limits.oom_score_adj);
    Ok(process)
}

/// Entrypoint and command as `inspect` shows them. An entrypoint of the user's own also discards the image's Cmd.
pub fn arguments(options: &Options, image: Option<&Config>) -> Result<Vec<String>, SpecError> {
    let of_image = |get: fn(&Config) -> &Option<Vec<String>>| image.and_then(|image| get(image).clone());
    let entrypoint = options.entrypoint.clone().or_else(|| of_image(Config::entrypoint)).unwrap_or_default();
    let command = match (options.command.is_empty(), &options.entrypoint) {
        (false, _) => options.command.clone(),
        (true, None) => of_image(Config::cmd).unwrap_or_default(),
        (true, Some(_)) => Vec::new(),
    };
    let arguments = [entrypoint, command].concat();
    if arguments.is_empty() { Err(SpecError::NoCommand) } else { Ok(arguments) }
}

/// The arguments behind `--init`'s program.
fn command(options: &Options, image: Option<&Config>) -> Result<Vec<String>, SpecError> {
    let arguments = arguments(options, image)?;
    if !options.init {
        return Ok(arguments);
    }
    Ok([vec![files::INIT.to_owned(), "--".to_owned()], arguments].concat())
}

pub(super) fn workdir(options: &Options, image: Option<&Config>) -> Result<Workdir, SpecError> {
    let given = options.workdir.as_deref().filter(|path| !path.is_empty());
    let of_image = image.and_then(|image| image.working_dir().as_deref()).filter(|path| !path.is_empty());
    let path = given.or(of_image).unwrap_or("/");
    if !path.starts_with('/') {
        return Err(SpecError::RelativeWorkdir(path.to_owned()));
    }
    Ok(Workdir { path: path.into(), create: given.is_none() || given == of_image })
}

/// `--stop-signal`, the image's StopSignal, or SIGTERM.
pub(super) fn stop_signal(options: &Options, image: Option<&Config>) -> Result<i32, SpecError> {
    let of_image = image.and_then(|image| image.stop_signal().as_deref()).filter(|name| !name.is_empty());
    match (options.stop_signal, of_image) {
        (Some(number), _) => Ok(number),
        (None, Some(name)) => signal(name).ok_or_else(|| SpecError::Signal(name.to_owned())),
        (None, None) => Ok(Signal::SIGTERM as i32),
    }
}

/// `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3` → the number.
pub fn signal(name: &str) -> Option<i32> {
    if let Ok(number) = name.parse::<i32>() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = name.to_ascii_uppercase();
    let plain = upper.strip_prefix("SIG").unwrap_or(&upper);
    // Numbers as libc and Go have them: musl and glibc keep 32 and 33 (and glibc 34 for nothing) to themselves.
    let real_time = |text: &str, base: i32, sign: i32| -> Option<i32> {
        let offset =
            if text.is_empty() { 0 } else { text[1..].parse().ok().filter(|n| (0..=30).contains(n))? };
        Some(base + sign * offset).filter(|number| (34..=64).contains(number))
    };
    match plain {
        _ if plain.starts_with("RTMIN") && matches!(plain.as_bytes().get(5), None | Some(b'+')) => {
            real_time(&plain[5..], 34, 1)
        }
        _ if plain.starts_with("RTMAX") && matches!(plain.as_bytes().get(5), None | Some(b'-')) => {
            real_time(&plain[5..], 64, -1)
        }
        _ => format!("SIG{plain}").parse::<Signal>().ok().map(|signal| signal as i32),
    }
}

fn oci_user(user: &Identity, umask: Option<u32>) -> User {
    let mut oci = User::default();
    oci.set_uid(user.uid).set_gid(user.gid).set_umask(Some(umask.unwrap_or(0o022)));
    oci.set_additional_gids(Some(user.groups.clone()).filter(|groups| !groups.is_empty()));
    oci
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for (name, expected) in [
            ("TERM", Some(15)),
            ("SIGTERM", Some(15)),
            ("sigwinch", Some(28)),
            ("9", Some(9)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMAX+1", None),
            ("RTMIN+", None),
            ("0", None),
            ("65", None),
            ("BOGUS", None),
            ("", None),
        ] {
            assert_eq!(signal(name), expected, "{name}");
        }
    }

    #[test]
    fn entrypoint_and_command() {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let mut image = Config::default();
        image.set_entrypoint(Some(owned(&["ie"]))).set_cmd(Some(owned(&["ic"])));
        let cases: &[(Option<&[&str]>, &[&str], &[&str])] = &[
            (None, &[], &["ie", "ic"]),
            (None, &["c"], &["ie", "c"]),
            (Some(&["e", "x"]), &[], &["e", "x"]),
            (Some(&["e"]), &["c"], &["e", "c"]),
            (Some(&[]), &["c"], &["c"]),
        ];
        for (entrypoint, command, expected) in cases {
            let options =
                Options { entrypoint: entrypoint.map(owned), command: owned(command), ..Options::default() };
            assert_eq!(arguments(&options, Some(&image)).unwrap(), *expected);
        }
        let cleared = Options { entrypoint: Some(vec![]), ..Options::default() };
        assert!(matches!(arguments(&cleared, Some(&image)), Err(SpecError::NoCommand)));
        assert!(matches!(arguments(&Options::default(), None), Err(SpecError::NoCommand)));
    }
}
