//! A terminal whose master goes to a socket, and pidfds that do.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use ketch_sys::socket;

use crate::subject::{Bundle, is_ours};

/// What one connection sends: its message and descriptors.
fn accept(listener: &UnixListener) -> (String, Vec<OwnedFd>) {
    let (stream, _) = listener.accept().expect("a connection");
    let mut buffer = [0; 4096];
    let (length, fds) = socket::receive(&stream, &mut buffer).expect("a message");
    (String::from_utf8_lossy(&buffer[..length]).into_owned(), fds)
}

fn listen(bundle: &Bundle) -> (UnixListener, String) {
    let path = bundle.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    (listener, path.to_str().expect("UTF-8").to_owned())
}

fn link(fd: &OwnedFd) -> String {
    let path = Path::new("/proc/self/fd").join(std::os::fd::AsRawFd::as_raw_fd(fd).to_string());
    path.read_link().expect("a descriptor").to_string_lossy().into_owned()
}

#[test]
fn the_master_is_sent_to_the_console_socket() {
    let bundle = Bundle::new(&["sh", "-c", "test -t 0 && test -t 2 && tty; stty size"]);
    bundle.configure(|config| {
        config["process"]["terminal"] = true.into();
        config["process"]["consoleSize"] = serde_json::json!({ "height": 33, "width": 77 });
    });
    let (listener, path) = listen(&bundle);
    bundle.make("create", &["--console-socket", &path]).succeeds();
    let (_, fds) = accept(&listener);
    assert_eq!(fds.len(), 1);
    assert!(link(&fds[0]).contains("ptmx"), "{}", link(&fds[0]));

    bundle.verb("start").succeeds();
    assert_eq!(read_terminal(&fds[0]), "/dev/pts/0\r\n33 77\r\n");
}

#[test]
fn an_exec_has_a_terminal_of_its_own() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    let (listener, path) = listen(&bundle);
    bundle
        .call(&[
            "exec",
            "--tty",
            "--detach",
            "--console-socket",
            &path,
            &bundle.id,
            "sh",
            "-c",
            "test -t 1 && echo yes",
        ])
        .succeeds();
    let (_, fds) = accept(&listener);
    assert_eq!(read_terminal(&fds[0]), "yes\r\n");
}

/// In the foreground without a terminal of the caller's: the output is copied, with the pty's line ends.
#[test]
fn a_terminal_in_the_foreground() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sh", "-c", "test -t 1 && echo yes; exit 3"]);
    bundle.configure(|config| config["process"]["terminal"] = true.into());
    let out = bundle.make("run", &[]).exits(3);
    assert_eq!(out.stdout, "yes\r\n");
}

/// All that comes until the last process has closed the other side: EIO says so.
fn read_terminal(master: &OwnedFd) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match nix::unistd::read(master, &mut buffer) {
            Ok(0) | Err(nix::errno::Errno::EIO) => return String::from_utf8_lossy(&text).into_owned(),
            read => text.extend_from_slice(&buffer[..read.expect("the terminal is read")]),
        }
    }
}

#[test]
fn a_pidfd_is_sent_to_its_socket() {
    let bundle = Bundle::new(&["sleep", "1000"]);
    let (listener, path) = listen(&bundle);
    let out = bundle.make("create", &["--pidfd-socket", &path]);
    // crun does not know the flag.
    if !is_ours() && out.code != 0 {
        return;
    }
    out.succeeds();
    let (message, fds) = accept(&listener);
    assert_eq!(message, "standard");
    let info = std::fs::read_to_string(
        Path::new("/proc/self/fdinfo").join(std::os::fd::AsRawFd::as_raw_fd(&fds[0]).to_string()),
    );
    let pid = bundle.state()["pid"].to_string();
    assert!(info.expect("fdinfo").contains(&format!("Pid:\t{pid}\n")));
}
