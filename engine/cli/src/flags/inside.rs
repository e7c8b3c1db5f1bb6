//! What a container finds inside: names, accounts, time, sysctls, systemd's surroundings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{
    Accounts, ImageVolumes, Namespace, Network, Options, Systemd, TimeZone,
};

use super::values;

#[derive(Debug, clap::Args)]
pub(crate) struct InsideFlags {
    /// Give a directory inside the container's /etc/hosts and /etc/resolv.conf too
    #[arg(long, value_name = "DIR")]
    chrootdirs: Vec<String>,
    /// Line of /etc/group for a --user's group that has no name, with $GROUPNAME, $GID and $USERLIST
    #[arg(long, value_name = "LINE")]
    group_entry: Option<String>,
    /// Add a user of the host to /etc/passwd
    #[arg(long, value_name = "USER", value_delimiter = ',')]
    hostuser: Vec<String>,
    /// What the image's volumes become: anonymous, tmpfs or ignore
    #[arg(long, value_name = "MODE")]
    image_volume: Option<String>,
    /// Program of the host's for --init
    #[arg(long, value_name = "PATH")]
    init_path: Option<PathBuf>,
    /// Leave the image's /etc/hostname as it is
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    no_hostname: bool,
    /// Line of /etc/passwd for a --user that has no name, with $USERNAME, $UID, $GID, $NAME and $HOME
    #[arg(long, value_name = "LINE")]
    passwd_entry: Option<String>,
    /// What uname(2) tells: LINUX or LINUX32
    #[arg(long, value_name = "DOMAIN")]
    personality: Option<String>,
    /// Set a sysctl of the container's own namespaces (NAME=VALUE)
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    sysctl: Vec<String>,
    /// Surround the command with what systemd needs: true (if it is an init), false or always
    #[arg(long, value_name = "MODE", default_value = "true")]
    systemd: String,
    /// Time zone (Europe/Berlin), or local for the host's
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// File mode creation mask, in octal
    #[arg(long, value_name = "MASK", default_value = "0022")]
    umask: String,
}

/// Puts them into `options`, in which `init`, `network` and `namespaces` are set.
pub(super) fn apply(flags: &InsideFlags, options: &mut Options) -> anyhow::Result<()> {
    for dir in &flags.chrootdirs {
        ensure!(dir.starts_with('/'), "--chrootdirs {dir}: an absolute path is expected");
    }
    options.chroot_dirs = flags.chrootdirs.clone();
    options.accounts = Accounts {
        passwd_entry: flags.passwd_entry.clone().filter(|line| !line.is_empty()),
        group_entry: flags.group_entry.clone().filter(|line| !line.is_empty()),
        of_host: flags.hostuser.clone(),
        ..Accounts::default()
    };
    options.image_volumes = flags.image_volume.as_deref().map(image_volumes).transpose()?.unwrap_or_default();
    options.systemd = systemd(&flags.systemd)?;
    if let Some(path) = &flags.init_path {
        ensure!(options.init, "--init-path has no meaning without --init");
        ensure!(options.systemd != Systemd::Always, "cannot use container-init binary with systemd=always");
        let path = std::path::absolute(path).with_context(|| format!("cannot use {path:?} as an init"))?;
        options.init_path = Some(path);
    }
    options.no_hostname = flags.no_hostname;
    options.personality = flags.personality.as_deref().map(personality).transpose()?;
    options.sysctl = sysctls(&flags.sysctl, options)?;
    options.time_zone = flags.tz.as_deref().filter(|zone| !zone.is_empty()).map(time_zone).transpose()?;
    options.umask = Some(umask(&flags.umask)?).filter(|mask| *mask != 0o022);
    Ok(())
}

fn image_volumes(mode: &str) -> anyhow::Result<ImageVolumes> {
    match mode {
        "" | "anonymous" => Ok(ImageVolumes::Anonymous),
        "tmpfs" => Ok(ImageVolumes::Tmpfs),
        "ignore" => Ok(ImageVolumes::Ignore),
        _ => bail!("invalid image volume mode {mode:?} required value: anonymous, tmpfs, ignore"),
    }
}

fn systemd(mode: &str) -> anyhow::Result<Systemd> {
    match (mode, values::boolean(mode)) {
        ("always", _) => Ok(Systemd::Always),
        ("", _) | (_, Ok(true)) => Ok(Systemd::Auto),
        (_, Ok(false)) => Ok(Systemd::Never),
        _ => bail!(
            r#"invalid config provided: --systemd values must be one of "true, false, always": invalid configuration"#
        ),
    }
}

fn personality(domain: &str) -> anyhow::Result<String> {
    match domain {
        "LINUX" | "LINUX32" => Ok(domain.to_owned()),
        _ => bail!("unknown personality {domain:?}: LINUX or LINUX32 is expected"),
    }
}

fn time_zone(zone: &str) -> anyhow::Result<TimeZone> {
    if zone == "local" {
        return Ok(TimeZone::Local);
    }
    let leads_out = zone.starts_with('/') || zone.split('/').any(|part| part == "..");
    ensure!(!leads_out, "running container create option: finding timezone: unknown time zone {zone}");
    Ok(TimeZone::Named(zone.to_owned()))
}

fn umask(text: &str) -> anyhow::Result<u32> {
    let known = (1..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    ensure!(known, "running container create option: invalid umask string {text}: invalid argument");
    u32::from_str_radix(text, 8).with_context(|| format!("invalid umask string {text}"))
}

/// Those that are a namespace's own; the rest is the whole host's.
const OF_IPC: [&str; 9] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
    "fs.mqueue.",
];

pub(super) fn sysctls(given: &[String], options: &Options) -> anyhow::Result<BTreeMap<String, String>> {
    let mut sysctls = BTreeMap::new();
    for text in given {
        let (name, value) = text
            .split_once('=')
            .with_context(|| format!("{text} is invalid, sysctl values must be in the form of KEY=VALUE"))?;
        let of_ipc =
            OF_IPC.iter().any(|known| name == *known || known.ends_with('.') && name.starts_with(known));
        let of_network = name.starts_with("net.");
        ensure!(of_ipc || of_network, "sysctl '{name}' is not allowed");
        let host =
            |kind| format!("sysctl {text} can't be set since {kind} Namespace set to host: invalid argument");
        ensure!(!of_ipc || options.namespaces.ipc != Namespace::Host, host("IPC"));
        ensure!(!of_network || options.network != Network::Host, host("Network"));
        sysctls.insert(name.to_owned(), value.to_owned());
    }
    Ok(sysctls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        for (text, expected) in [
            ("077", Some(0o77)),
            ("0", Some(0)),
            ("0777", Some(0o777)),
            ("9", None),
            ("00777", None),
            ("", None),
        ] {
            assert_eq!(umask(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn sysctls_of_namespaces() {
        let own = Options::default();
        let host = Options { network: Network::Host, ..Options::default() };
        for (text, options, expected) in [
            ("net.ipv4.ip_forward=1", &own, Ok(())),
            ("fs.mqueue.msg_max=5", &own, Ok(())),
            ("kernel.sem=1 2", &own, Ok(())),
            ("vm.swappiness=1", &own, Err("is not allowed")),
            ("kernel.semx=1", &own, Err("is not allowed")),
            ("kernel.sem", &own, Err("KEY=VALUE")),
            ("net.ipv4.ip_forward=1", &host, Err("Network Namespace set to host")),
        ] {
            match (sysctls(&[text.to_owned()], options), expected) {
                (Ok(_), Ok(())) => {}
                (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{text}: {got}"),
                (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn zones() {
        assert_eq!(time_zone("local").unwrap(), TimeZone::Local);
        assert_eq!(time_zone("Europe/Berlin").unwrap(), TimeZone::Named("Europe/Berlin".to_owned()));
        assert!(time_zone("../../etc/passwd").is_err());
        assert!(time_zone("/etc/passwd").is_err());
    }
}
