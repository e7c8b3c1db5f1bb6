//! Attached clients.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Stdio;

use ketch_monitor::attach;
use ketch_sys::tty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, tcgetattr};
use nix::unistd::Pid;

use crate::Test;
use crate::bundle::Bundle;
use crate::client::{BROKEN_PIPE, Client, DETACHED};

pub(crate) const TESTS: &[Test] = &[
    ("a_client_gets_streams_apart_and_the_exit_code", a_client_gets_streams_apart_and_the_exit_code),
    ("input_goes_in_and_its_end_too", input_goes_in_and_its_end_too),
    ("input_stays_open_for_the_next_client", input_stays_open_for_the_next_client),
    ("without_stdin_there_is_dev_null", without_stdin_there_is_dev_null),
    ("much_goes_through_unharmed", much_goes_through_unharmed),
    ("two_clients_each_get_all", two_clients_each_get_all),
    ("a_slow_client_holds_the_container_back", a_slow_client_holds_the_container_back),
    ("a_dead_client_is_forgotten", a_dead_client_is_forgotten),
    ("a_stopped_client_does_not_hold_the_end", a_stopped_client_does_not_hold_the_end),
    ("a_closed_stdout_is_told", a_closed_stdout_is_told),
    ("input_that_nobody_reads_does_not_hold_signals", input_that_nobody_reads_does_not_hold_signals),
    ("a_late_client_hears_the_end", a_late_client_hears_the_end),
    ("a_terminal_is_raw_sized_and_given_back", a_terminal_is_raw_sized_and_given_back),
    ("a_fatal_signal_gives_the_terminal_back", a_fatal_signal_gives_the_terminal_back),
    ("detach_keys_detach", detach_keys_detach),
    ("only_the_owner_may_connect", only_the_owner_may_connect),
    ("long_directory_names_work", long_directory_names_work),
];

fn a_client_gets_streams_apart_and_the_exit_code() {
    for (flags, out, err) in [("oe", "out\n", "err\n"), ("o", "out\n", ""), ("e", "", "err\n")] {
        let bundle = Bundle::new("echo out; echo err >&2; exit 3");
        let monitor = bundle.spawn().unwrap();
        let client = Client::attach(&bundle, flags);
        monitor.start().unwrap();
        assert_eq!(client.end(), (3, out.into(), err.into()), "{flags}");
    }
}

fn input_goes_in_and_its_end_too() {
    let bundle = Bundle::new("cat; echo end").stdin(true);
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "ioe");
    monitor.start().unwrap();
    client.input(b"hello\n");
    assert_eq!(client.line(), "hello\n");
    client.input(b"more\n");
    client.end_input();
    assert_eq!(client.end(), (0, "more\nend\n".into(), String::new()));
}

fn input_stays_open_for_the_next_client() {
    let bundle = Bundle::new("read a; echo got; read b; echo $a $b").stdin(false);
    let monitor = bundle.spawn().unwrap();
    let mut first = Client::attach(&bundle, "ioe");
    monitor.start().unwrap();
    first.input(b"one\n");
    first.end_input();
    assert_eq!(first.line(), "got\n");
    let mut second = Client::attach(&bundle, "ioe");
    second.input(b"two\n");
    assert_eq!(second.end().1, "one two\n");
    assert_eq!(first.end().1, "one two\n");
}

fn without_stdin_there_is_dev_null() {
    let bundle = Bundle::new("cat; echo end");
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "ioe");
    monitor.start().unwrap();
    client.input(b"lost\n");
    assert_eq!(client.end().1, "end\n");
}

fn much_goes_through_unharmed() {
    let bundle = Bundle::new("cat").stdin(true);
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "ioe");
    monitor.start().unwrap();
    let data: String = (0..300_000).map(|n| format!("line {n}\n")).collect();
    let mut stdin = client.child.stdin.take().unwrap();
    let sent = data.clone();
    let writer = std::thread::spawn(move || stdin.write_all(sent.as_bytes()).unwrap());
    let (code, out, _) = client.end();
    writer.join().unwrap();
    assert_eq!(code, 0);
    assert!(out == data, "{} of {} bytes", out.len(), data.len());
    assert!(bundle.logs(&Default::default()).0 == data, "the log has it all");
}

fn two_clients_each_get_all() {
    let bundle = Bundle::new("seq 1 100000");
    let monitor = bundle.spawn().unwrap();
    let (first, second) = (Client::attach(&bundle, "oe"), Client::attach(&bundle, "oe"));
    monitor.start().unwrap();
    let reader = std::thread::spawn(move || first.end());
    let (code, out, _) = second.end();
    assert_eq!((code, out.len()), (0, 588_895));
    assert_eq!(reader.join().unwrap().1, out);
}

fn a_slow_client_holds_the_container_back() {
    let bundle = Bundle::new("head -c 2000000 /dev/zero; echo done >/tmp/done");
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "oe");
    monitor.start().unwrap();
    // Nobody reads the client's stdout: pipes and sockets on the way hold less than two megabytes.
    let mut first = [0; 1];
    client.child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(!bundle.in_root("tmp/done").exists());
    let (code, out, _) = client.end();
    assert_eq!((code, out.len()), (0, 1_999_999));
    assert!(bundle.in_root("tmp/done").exists());
}

fn a_dead_client_is_forgotten() {
    let bundle = Bundle::new("head -c 2000000 /dev/zero; exit 3");
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "oe");
    monitor.start().unwrap();
    client.child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    client.child.kill().unwrap();
    client.child.wait().unwrap();
    assert_eq!(bundle.end().code, 3);
    assert_eq!(bundle.logs(&Default::default()).0.len(), 2_000_000);
}

/// Its part waits in the monitor, the container's end does not.
fn a_stopped_client_does_not_hold_the_end() {
    let bundle = Bundle::new("head -c 100000 /dev/zero; exit 3");
    let monitor = bundle.spawn().unwrap();
    let client = Client::attach(&bundle, "oe");
    let pid = Pid::from_raw(client.child.id() as i32);
    kill(pid, Signal::SIGSTOP).unwrap();
    monitor.start().unwrap();
    assert_eq!(bundle.end().code, 3);
    bundle.assert_nothing_left();
    kill(pid, Signal::SIGCONT).unwrap();
    let (code, out, _) = client.end();
    assert_eq!((code, out.len()), (3, 100_000));
}

fn a_closed_stdout_is_told() {
    let bundle = Bundle::new("while :; do echo x; sleep 0.02; done");
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "oe");
    let pid = monitor.start().unwrap();
    client.line();
    drop(client.child.stdout.take());
    assert_eq!(client.end().0, BROKEN_PIPE);
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the container goes on");
    assert_eq!(bundle.end().code, 137);
}

fn input_that_nobody_reads_does_not_hold_signals() {
    let bundle = Bundle::new("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done").stdin(true);
    let monitor = bundle.spawn().unwrap();
    let mut client = Client::attach(&bundle, "ioep");
    monitor.start().unwrap();
    assert_eq!(client.line(), "ready\n");
    let mut stdin = client.child.stdin.take().unwrap();
    // Some of it goes nowhere: an error or none, as the end comes.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&vec![b'x'; 4_000_000])));
    std::thread::sleep(std::time::Duration::from_millis(200));
    kill(Pid::from_raw(client.child.id() as i32), Signal::SIGTERM).unwrap();
    assert_eq!(client.end().0, 9);
    writer.join().unwrap();
}

fn a_late_client_hears_the_end() {
    let bundle = Bundle::new("echo early; sleep 0.4; echo late; exit 2");
    bundle.start();
    let client = Client::attach(&bundle, "oe");
    let (code, out, _) = client.end();
    assert_eq!(code, 2);
    assert!(out.ends_with("late\n"));
    assert!(attach::connect(&bundle.config.run_dir, Bundle::options()).is_err());
}

/// A pty whose other end is a client's terminal.
fn local_terminal() -> (File, OwnedFd) {
    let master = File::options().read(true).write(true).open("/dev/ptmx").unwrap();
    tty::unlock(&master).unwrap();
    let peer = tty::peer(&master).unwrap();
    (master, peer)
}

/// Attaches and waits for raw mode: before it, the local line discipline would keep control-q for itself.
fn attach_terminal(bundle: &Bundle, flags: &str, terminal: &OwnedFd) -> Client {
    let copy = || Stdio::from(terminal.try_clone().unwrap());
    let client = Client::with(bundle, flags, [copy(), copy(), copy()]);
    while !is_raw(terminal) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    client
}

/// Reads the local terminal until `text` has come.
fn expect(master: &mut File, text: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    while !seen.contains(text) {
        assert!(crate::bundle::readable(&*master), "waiting for {text:?}, got {seen:?}");
        let length = master.read(&mut buffer).unwrap();
        seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    seen
}

fn is_raw(terminal: &OwnedFd) -> bool {
    !tcgetattr(terminal.as_fd()).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
}

fn a_terminal_is_raw_sized_and_given_back() {
    let bundle = Bundle::terminal("stty size; trap 'stty size' WINCH; while read -r x; do echo \"[$x]\"; [ \"$x\" = quit ] && exit 4; done; while read -r x; do echo \"[$x]\"; [ \"$x\" = quit ] && exit 4; done").stdin(true);
    let monitor = bundle.spawn().unwrap();
    let (mut master, terminal) = local_terminal();
    tty::set_size(&master, tty::Size { rows: 33, columns: 77, ..tty::Size::default() }).unwrap();
    let client = attach_terminal(&bundle, "ioetp", &terminal);
    monitor.start().unwrap();
    // The size is there before the first byte.
    expect(&mut master, "33 77\r\n");
    assert!(is_raw(&terminal));
    master.write_all(b"hello\r").unwrap();
    expect(&mut master, "[hello]");
    tty::set_size(&master, tty::Size { rows: 40, columns: 100, ..tty::Size::default() }).unwrap();
    kill(Pid::from_raw(client.child.id() as i32), Signal::SIGWINCH).unwrap();
    expect(&mut master, "40 100\r\n");
    master.write_all(b"quit\r").unwrap();
    expect(&mut master, "[quit]");
    assert_eq!(client.end().0, 4);
    assert!(!is_raw(&terminal));
    assert_eq!(bundle.end().code, 4);

    attach::resize(&bundle.config.run_dir, 1, 1).unwrap_err();
}

fn a_fatal_signal_gives_the_terminal_back() {
    let bundle = Bundle::terminal("echo ready; sleep 60").stdin(true);
    let monitor = bundle.spawn().unwrap();
    let (mut master, terminal) = local_terminal();
    let mut client = attach_terminal(&bundle, "ioet", &terminal);
    let pid = monitor.start().unwrap();
    expect(&mut master, "ready\r\n");
    assert!(is_raw(&terminal));
    kill(Pid::from_raw(client.child.id() as i32), Signal::SIGTERM).unwrap();
    let status = client.child.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(Signal::SIGTERM as i32));
    assert!(!is_raw(&terminal));
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the container goes on");
    assert_eq!(bundle.end().code, 137);
}

fn detach_keys_detach() {
    let bundle = Bundle::terminal("read x; read y; echo \"[$x][$y]\"").stdin(true);
    let monitor = bundle.spawn().unwrap();
    let (mut master, terminal) = local_terminal();
    let client = attach_terminal(&bundle, "ioetd", &terminal);
    monitor.start().unwrap();
    // A control-p that is not followed by control-q is the container's.
    master.write_all(b"a\x10b\r").unwrap();
    expect(&mut master, "b\r\n");
    master.write_all(b"\x10\x11").unwrap();
    assert_eq!(client.end().0, DETACHED);
    assert!(!is_raw(&terminal));

    let client = attach_terminal(&bundle, "ioetd", &terminal);
    master.write_all(b"c\r").unwrap();
    expect(&mut master, "[a\x10b][c]");
    assert_eq!(client.end().0, 0);
}

fn only_the_owner_may_connect() {
    let bundle = Bundle::new("sleep 60");
    let pid = bundle.start();
    let mode = std::fs::metadata(bundle.config.run_dir.join("attach")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    bundle.end();
}

fn long_directory_names_work() {
    let mut bundle = Bundle::new("echo here");
    let long = bundle.config.run_dir.join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    bundle.config.run_dir = long;
    let monitor = bundle.spawn().unwrap();
    let client = Client::attach(&bundle, "oe");
    monitor.start().unwrap();
    assert_eq!(client.end().1, "here\n");
}
