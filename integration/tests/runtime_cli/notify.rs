//! sd_notify(3) from inside, to the service manager that has started `run` or `start`.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::subject::{Bundle, Subject, run, subject};

/// A container that says where its socket is and then does nothing, and a service manager.
struct Service {
    bundle: Bundle,
    manager: UnixDatagram,
}

impl Service {
    fn new() -> Service {
        let bundle = Bundle::new(&["sh", "-c", "echo $NOTIFY_SOCKET >/tmp/where; exec sleep 1000"]);
        mkfifo(&bundle.path().join("rootfs/tmp/where"), Mode::S_IRWXU).expect("a FIFO");
        let manager = UnixDatagram::bind(bundle.path().join("service")).expect("a socket");
        manager.set_read_timeout(Some(Duration::from_secs(120))).expect("a timeout");
        Service { bundle, manager }
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let mut command = self.bundle.command(words);
        command.env("NOTIFY_SOCKET", self.bundle.path().join("service"));
        command
    }

    fn bundle_flag(&self) -> String {
        format!("--bundle={}", self.bundle.path().display())
    }

    fn spawn(&self, words: &[&str]) -> Child {
        let mut command = self.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the runtime starts")
    }

    /// What the container is told, once it runs; and its init, in the host's numbers.
    fn running(&self) -> (PathBuf, String) {
        let inside = fs::read_to_string(self.bundle.path().join("rootfs/tmp/where")).expect("the FIFO");
        (inside.trim_end().into(), self.bundle.state()["pid"].to_string())
    }

    fn heard(&self) -> String {
        let mut buffer = [0; 64];
        let length = self.manager.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    fn hears_no_more(&self) {
        self.manager.set_nonblocking(true).expect("a socket");
        let more = self.manager.recv(&mut [0; 64]).map_err(|error| error.kind());
        assert_eq!(more, Err(ErrorKind::WouldBlock));
    }
}

/// As the container's program would.
fn say(inside: &std::path::Path, pid: &str) {
    let path = format!("/proc/{pid}/root{}", inside.display());
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.send_to(b"STATUS=soon", &path).expect("the container's socket");
    sender.send_to(b"MAINPID=1\nREADY=1", &path).expect("the container's socket");
}

#[test]
fn start_returns_when_the_container_is_ready() {
    // crun passes nothing on unless it runs as a service itself.
    if subject() == Subject::Crun {
        return;
    }
    let service = Service::new();
    run(service.command(&["create", &service.bundle_flag(), &service.bundle.id])).succeeds();
    let mut start = service.spawn(&["start", &service.bundle.id]);
    let (inside, pid) = service.running();
    assert!(start.try_wait().expect("a child").is_none());
    say(&inside, &pid);
    assert_eq!(service.heard(), "READY=1");
    assert_eq!(service.heard(), format!("MAINPID={pid}"));
    assert!(start.wait().expect("a child").success());
    service.hears_no_more();
}

#[test]
fn run_stays_and_is_the_services_main_process() {
    if subject() == Subject::Crun {
        return;
    }
    let service = Service::new();
    let mut foreground = service.spawn(&["run", &service.bundle_flag(), &service.bundle.id]);
    let (inside, pid) = service.running();
    say(&inside, &pid);
    assert_eq!(service.heard(), "READY=1");
    service.bundle.call(&["kill", &service.bundle.id, "KILL"]).succeeds();
    assert_eq!(foreground.wait().expect("a child").code(), Some(137));
    service.hears_no_more();
}

/// A program that ends without a word holds up nobody.
#[test]
fn an_end_is_waited_for_too() {
    let service = Service::new();
    service.bundle.configure(|config| config["process"]["args"] = serde_json::json!(["true"]));
    run(service.command(&["run", "-d", &service.bundle_flag(), &service.bundle.id])).succeeds();
    service.hears_no_more();
}
