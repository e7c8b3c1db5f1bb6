//! pasta(1): a network for a container without root. A process beside the container reads its packets from a tap device
//! and makes ordinary sockets of them on the host, and the other way round for published ports.
//!
//! pasta is told the namespace by a file in the container's directory below /run, watches that, and ends when it is
//! removed: by the monitor when the container has ended, else by the next start or the removal. So a container whose
//! monitor was killed keeps its network. That the file is the namespace is seen by pasta alone: it is bound there in a
//! mount namespace that nobody else is in, and its directory on /tmp, as a pasta of root's becomes nobody, who could not
//! look into the other. Its pid is noted only to wait for its end, when its ports are free.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ketch_sys::pidfd::Ended;
use ketch_sys::{Errno, clone, ns, pidfd};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, poll};

use crate::container::options::{Port, Protocol};

/// Where the container reaches the host's name servers; podman's address.
pub const NAME_SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 1, 1));
/// Where the container reaches the host, by pasta of 2024 and newer; podman's address.
const HOST: &str = "169.254.1.2";

const PROGRAM: &str = "pasta";
/// Of its own: pasta before 2024 looks at the first of several events in the directory that it watches.
const DIRECTORY: &str = "pasta";
const PID: &str = "pid";
/// Where pasta sees it.
const SEEN: &str = "/tmp";
/// After which it is killed.
const PATIENCE: u16 = 5000;
/// Said in its place when there is none.
const MISSING: &str = "missing";

#[derive(Debug, thiserror::Error)]
pub enum PastaError {
    #[error(
        "cannot set up the network: pasta is not installed (Debian: package passt); there are --network none and host"
    )]
    Missing,
    #[error("cannot run pasta")]
    Run(#[source] io::Error),
    #[error("pasta failed: {0}")]
    Failed(String),
    #[error("cannot make a network namespace: {}", .0.desc().to_lowercase())]
    Namespace(Errno),
    #[error("cannot {step} {path}")]
    File { step: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "cannot publish port {port}: below {first} is for root \
         (sysctl net.ipv4.ip_unprivileged_port_start, now {first}); choose a port from {first} on"
    )]
    Privileged { port: u16, first: u16 },
}

/// A network namespace, and a pasta that is about to serve it.
#[derive(Debug)]
pub(crate) struct Starting {
    namespace: OwnedFd,
    place: Place,
    arguments: Vec<String>,
    pasta: Pasta,
}

/// The directory, and the file in it, which bears the container's id.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    file: PathBuf,
}

impl Place {
    fn of(run_dir: &Path) -> Place {
        let directory = run_dir.join(DIRECTORY);
        Place { file: directory.join(run_dir.file_name().unwrap_or_default()), directory }
    }

    fn make(&self) -> Result<(), PastaError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PastaError::File { step: "make", path, source }
        };
        match fs::create_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.map_err(failed(&self.directory))?,
        }
        // It writes there as nobody; others do not get as far as the directory.
        let pid = self.directory.join(PID);
        let file = File::create(&pid).map_err(failed(&pid))?;
        file.set_permissions(Permissions::from_mode(0o666)).map_err(failed(&pid))?;
        fs::set_permissions(&self.directory, Permissions::from_mode(0o755))
            .map_err(failed(&self.directory))?;
        // Last: where there is no file for the number, there is none of these either.
        File::create_new(&self.file).map(drop).map_err(failed(&self.file))
    }

    /// As pasta sees the file.
    fn seen(&self) -> PathBuf {
        Path::new(SEEN).join(self.file.file_name().unwrap_or_default())
    }
}

/// Makes the namespace, unless it is the container's `own` already, and starts pasta with `options`; the container's directory below /run is `run_dir`. A pasta of an
/// earlier run ends, and so does this one by [`end`], also when it fails.
pub(crate) fn begin(
    run_dir: &Path,
    own: Option<OwnedFd>,
    options: &[String],
    ports: &[Port],
) -> Result<(OwnedFd, Starting), PastaError> {
    check_ports(ports)?;
    end(run_dir)?;
    let namespace = match own {
        Some(own) => own,
        None => make_namespace().map_err(PastaError::Namespace)?,
    };
    let place = Place::of(run_dir);
    place.make()?;
    let arguments = arguments(options, ports);
    let pasta = spawn(&namespace, &place, &arguments, &["--map-guest-addr", HOST])?;
    let copy = namespace.try_clone().map_err(PastaError::Run)?;
    Ok((copy, Starting { namespace, place, arguments, pasta }))
}

impl Starting {
    /// Waits until the interface is there and the ports are bound.
    pub(crate) fn finish(self) -> Result<(), PastaError> {
        let Starting { namespace, place, arguments, pasta } = self;
        let mut said = pasta.wait()?;
        if said.as_ref().is_some_and(|said| is_unknown_option(said)) {
            // An older one has no address for the host.
            said = spawn(&namespace, &place, &arguments, &[])?.wait()?;
        }
        match said {
            None => Ok(()),
            Some(said) if said == MISSING => Err(PastaError::Missing),
            Some(said) => Err(PastaError::Failed(reason(&said))),
        }
    }
}

/// Has the container's pasta end, if there is one, and returns when it has: its ports are free then.
pub(crate) fn end(run_dir: &Path) -> Result<(), PastaError> {
    let place = Place::of(run_dir);
    let Ok(pid) = fs::read_to_string(place.directory.join(PID)) else { return Ok(()) };
    let pasta = running(&place, &pid);
    match fs::remove_file(&place.file) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            return Err(PastaError::File { step: "remove", path: place.file, source });
        }
        _ => {}
    }
    let Some(pasta) = pasta else { return Ok(()) };
    let mut ended = [PollFd::new(pasta.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ended, PATIENCE) == Ok(0) {
        // A failure means that it has ended, as much as anything does.
        let _ = pidfd::send_signal(&pasta, libc::SIGKILL);
        let _ = poll(&mut ended, PATIENCE);
    }
    Ok(())
}

/// The process that serves the namespace; None if it has ended, though its number may be another's.
fn running(place: &Place, pid: &str) -> Option<OwnedFd> {
    let pid: i32 = pid.trim().parse().ok()?;
    let pidfd = pidfd::open(pid).ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let seen = place.seen();
    line.split(|byte| *byte == 0).any(|word| word == seen.as_os_str().as_encoded_bytes()).then_some(pidfd)
}

/// A namespace that nobody is in, with loopback up.
///
/// By a child: whoever is root of a user namespace only could go into it, and not come back.
fn make_namespace() -> Result<OwnedFd, Errno> {
    let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0));
    let (mut ours, theirs) = UnixStream::pair().map_err(io)?;
    let options = clone::Options {
        namespaces: libc::CLONE_NEWNET as u64,
        not_inherited: &[ours.as_fd()],
        ..clone::Options::default()
    };
    let child = clone::fork(options, || {
        let up = ns::loopback_up().is_ok();
        // Waits for the other end to be closed.
        i32::from(!up || (&theirs).write_all(b"x").is_err() || (&theirs).read(&mut [0]).is_err())
    })?;
    drop(theirs);
    let opened = ours
        .read_exact(&mut [0])
        .and_then(|()| File::open(format!("/proc/{}/ns/net", child.pid)))
        .map(OwnedFd::from)
        .map_err(io);
    drop(ours);
    pidfd::reap(&child.pidfd)?;
    opened
}

/// The process that starts pasta and ends when it is ready.
#[derive(Debug)]
struct Pasta {
    pidfd: OwnedFd,
    stderr: UnixStream,
}

impl Pasta {
    /// None: it is ready, and goes on in a process without this one's streams. Otherwise what it said.
    fn wait(mut self) -> Result<Option<String>, PastaError> {
        let mut said = Vec::new();
        self.stderr.read_to_end(&mut said).map_err(PastaError::Run)?;
        let ended = pidfd::reap(&self.pidfd).map_err(|errno| PastaError::Run(errno.into()))?;
        Ok((ended != Ended::Exited(0)).then(|| String::from_utf8_lossy(&said).into_owned()))
    }
}

fn spawn(
    namespace: &OwnedFd,
    place: &Place,
    arguments: &[String],
    more: &[&str],
) -> Result<Pasta, PastaError> {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .args(more)
        .arg("--pid")
        .arg(Path::new(SEEN).join(PID))
        .arg("--netns")
        .arg(place.seen());
    let (ours, theirs) = UnixStream::pair().map_err(PastaError::Run)?;
    let copy = theirs.try_clone().map_err(PastaError::Run)?;
    if ns::in_first_user() == Ok(true) {
        // Nobody, which root's pasta would become, cannot enter the namespace.
        command.args(["--runas", "0"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(OwnedFd::from(copy)));
    let options = clone::Options {
        namespaces: libc::CLONE_NEWNS as u64,
        not_inherited: &[ours.as_fd()],
        ..clone::Options::default()
    };
    let child = clone::fork(options, || {
        let error = match bind(namespace, place) {
            Ok(()) => command.exec(),
            Err(errno) => errno.into(),
        };
        let text = match error.kind() {
            ErrorKind::NotFound => MISSING.to_owned(),
            _ => error.to_string(),
        };
        // Nobody is there to read it any more: then nobody wants to know.
        let _ = (&theirs).write_all(text.as_bytes());
        1
    });
    let child = child.map_err(|errno| PastaError::Run(errno.into()))?;
    Ok(Pasta { pidfd: child.pidfd, stderr: ours })
}

/// In a mount namespace of the caller's own: makes the file the namespace, and shows its directory to pasta.
fn bind(namespace: &OwnedFd, place: &Place) -> Result<(), Errno> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let source = format!("/proc/self/fd/{}", namespace.as_raw_fd());
    mount(Some(source.as_str()), &place.file, none, MsFlags::MS_BIND, none)?;
    mount(Some(&place.directory), SEEN, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)
}

fn is_unknown_option(said: &str) -> bool {
    said.contains("unrecognized option") && said.contains("map-guest-addr")
}

/// What it says of a failure is its last line; before that come warnings.
fn reason(stderr: &str) -> String {
    // An old one that cannot reach a system log says so after each line.
    let said = |line: &&str| !line.trim().is_empty() && !line.starts_with("Failed to send");
    let last = stderr.lines().rfind(said).unwrap_or("it did not say why");
    last.trim().to_owned()
}

/// podman's, which come after the user's own and leave out what those settle.
fn arguments(options: &[String], ports: &[Port]) -> Vec<String> {
    let given = |names: &[&str]| {
        let is = |option: &str, name: &str| option == name || option.starts_with(&format!("{name}="));
        options.iter().any(|option| names.iter().any(|name| is(option, name)))
    };
    let mut arguments = vec!["--config-net".to_owned()];
    // It is pasta's default, and only podman's name for "not --no-map-gw".
    arguments.extend(options.iter().filter(|option| *option != "--map-gw").cloned());
    for port in ports {
        let address = port.host_ip.map(|ip| format!("{ip}/")).unwrap_or_default();
        let last = port.count.max(1) - 1;
        let range = |first: u16| format!("{first}-{}", first.saturating_add(last));
        let host = range(port.host_port.unwrap_or(port.container_port));
        arguments.push(flag(port.protocol).to_owned());
        arguments.push(format!("{address}{host}:{}", range(port.container_port)));
    }
    let mut default = |names: &[&str], value: &[&str]| {
        if !given(names) {
            arguments.extend(value.iter().map(|word| (*word).to_owned()));
        }
    };
    default(&["--dns-forward"], &["--dns-forward", &NAME_SERVER.to_string()]);
    let publishes = |protocol| ports.iter().any(|port| port.protocol == protocol);
    if !publishes(Protocol::Tcp) {
        default(&["-t", "--tcp-ports"], &["-t", "none"]);
    }
    if !publishes(Protocol::Udp) {
        default(&["-u", "--udp-ports"], &["-u", "none"]);
    }
    default(&["-T", "--tcp-ns"], &["-T", "none"]);
    default(&["-U", "--udp-ns"], &["-U", "none"]);
    default(&["--map-gw", "--no-map-gw"], &["--no-map-gw"]);
    default(&["-q", "--quiet", "-d", "--debug", "--trace"], &["--quiet"]);
    arguments
}

fn flag(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "-t",
        Protocol::Udp => "-u",
    }
}

/// Whoever is not root of the host may bind no low ports; pasta would say so port by port.
fn check_ports(ports: &[Port]) -> Result<(), PastaError> {
    let Some(lowest) = ports.iter().filter_map(|port| port.host_port).min() else { return Ok(()) };
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    let first = first.trim().parse().unwrap_or(0);
    if lowest < first && ns::in_first_user() == Ok(false) {
        return Err(PastaError::Privileged { port: lowest, first });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podmans_arguments() {
        let port = |host_ip: Option<&str>, host_port, container_port, count, protocol| Port {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host_port: Some(host_port),
            container_port,
            count,
            protocol,
        };
        let end = "-T none -U none --no-map-gw --quiet";
        for (options, ports, expected) in [
            (&[][..], vec![], format!("--dns-forward 169.254.1.1 -t none -u none {end}")),
            (
                &[],
                vec![port(None, 8080, 80, 1, Protocol::Tcp)],
                format!("-t 8080-8080:80-80 --dns-forward 169.254.1.1 -u none {end}"),
            ),
            (
                &[],
                vec![port(Some("127.0.0.1"), 8080, 80, 3, Protocol::Udp)],
                format!("-u 127.0.0.1/8080-8082:80-82 --dns-forward 169.254.1.1 -t none {end}"),
            ),
            (
                &["--map-gw", "-T", "5432", "--debug", "--dns-forward=192.0.2.1"],
                vec![],
                "-T 5432 --debug --dns-forward=192.0.2.1 -t none -u none -U none".to_owned(),
            ),
        ] {
            let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
            assert_eq!(arguments(&options, &ports).join(" "), format!("--config-net {expected}"));
        }
    }

    #[test]
    fn reasons() {
        for (stderr, expected) in [
            ("", "it did not say why"),
            (
                "No interfaces with usable IPv6 routes\nFailed to bind port 80\nFailed to send 9 bytes to syslog\n",
                "Failed to bind port 80",
            ),
        ] {
            assert_eq!(reason(stderr), expected);
        }
    }
}
