//! checkpoint and restore. runc with the same CRIU passes what is not marked as ours.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ketch_sys::socket;
use serde_json::json;

use crate::subject::{Bundle, Output, is_ours, run};

/// Answers each line with how many there were; the number lives in its memory alone.
const COUNTER: &str = "i=0; while read line; do i=$((i+1)); echo $i; done";

/// The ends of a container's pipes.
struct Talk {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Talk {
    /// Runs a command to its end that leaves a container with these pipes.
    fn start(mut command: Command, errors: &Path) -> Talk {
        let file = fs::File::create(errors).expect("a file for stderr");
        let mut child: Child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).spawn().expect("it starts");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let status = child.wait().expect("it ends");
        assert!(status.success(), "{command:?}: {}", fs::read_to_string(errors).unwrap_or_default());
        Talk { input, output: BufReader::new(output) }
    }

    /// Sends a line, and returns the answer.
    fn ask(&mut self) -> String {
        self.input.write_all(b"x\n").expect("somebody reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("an answer");
        line.trim().to_owned()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

impl Bundle {
    fn images(&self) -> PathBuf {
        self.path().join("images")
    }

    fn talk(&self, words: &[&str]) -> Talk {
        let mut words = words.to_vec();
        words.extend(["--bundle", text(self.path()), &self.id]);
        Talk::start(self.command(&words), &self.path().join("stderr"))
    }

    fn run_counter(&self) -> Talk {
        self.talk(&["run", "--detach"])
    }

    fn checkpoint(&self, flags: &[&str]) -> Output {
        let images = self.images();
        self.call(&[&["checkpoint", "--image-path", text(&images)], flags, &[&self.id]].concat())
    }

    /// Restores with new pipes.
    fn restore(&self, flags: &[&str]) -> Talk {
        let images = self.images();
        self.talk(&[&["restore", "--detach", "--image-path", text(&images)], flags].concat())
    }

    fn give_a_user_namespace(&self) {
        self.configure(|config| {
            let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
            config["linux"]["namespaces"].as_array_mut().expect("namespaces").push(json!({"type": "user"}));
            config["linux"]["uidMappings"] = map.clone();
            config["linux"]["gidMappings"] = map;
        });
        // The root's path must be open to the container's ids.
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    /// Has the container have a terminal, which comes to the socket.
    fn give_a_terminal(&self) -> UnixListener {
        self.configure(|config| config["process"]["terminal"] = true.into());
        UnixListener::bind(self.path().join("socket")).expect("a socket")
    }

    /// Runs a command that makes the container with a terminal.
    fn terminal(&self, listener: &UnixListener, words: &[&str]) -> Terminal {
        let (socket, mut words) = (self.path().join("socket"), words.to_vec());
        words.extend(["--console-socket", text(&socket), "--bundle", text(self.path()), &self.id]);
        self.call(&words).succeeds();
        Terminal(accept(listener).into())
    }

    fn restore_terminal(&self, listener: &UnixListener) -> Terminal {
        self.terminal(listener, &["restore", "--detach", "--image-path", text(&self.images())])
    }

    /// All mounts of the container, without what is numbered anew each time.
    fn mounts(&self) -> Vec<String> {
        let table = self.call(&["exec", &self.id, "cat", "/proc/1/mountinfo"]).succeeds().stdout;
        let mut mounts: Vec<String> = table
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split(' ').collect();
                let end = fields.iter().position(|field| *field == "-").expect("a separator");
                format!("{} {} {} {}", fields[3], fields[4], fields[5], fields[end + 1])
            })
            .collect();
        mounts.sort();
        mounts
    }
}

#[test]
fn the_counter_goes_on() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let mut before = bundle.run_counter();
    assert_eq!((before.ask(), before.ask()), ("1".to_owned(), "2".to_owned()));
    let mounts = bundle.mounts();
    bundle.checkpoint(&[]).succeeds();
    bundle.verb("state").fails(1, "does not exist");
    assert_eq!(bundle.cgroups(), [""; 0].map(PathBuf::from));

    let pid_file = bundle.path().join("pid");
    let mut after = bundle.restore(&["--pid-file", text(&pid_file)]);
    assert_eq!(after.ask(), "3");
    let state = bundle.state();
    assert_eq!(state["status"], "running");
    assert_eq!(state["pid"].to_string(), fs::read_to_string(pid_file).expect("the pid file"));
    if is_ours() {
        // The order of options and the propagation are CRIU's under runc.
        assert_eq!(bundle.mounts(), mounts);
    }
    assert!(!bundle.cgroups().is_empty());
    bundle.call(&["exec", &bundle.id, "true"]).succeeds();
    bundle.verb("pause").succeeds();
    assert_eq!(bundle.status(), "paused");
    bundle.verb("resume").succeeds();

    // What was restored is as good as what was made.
    fs::remove_dir_all(bundle.images()).expect("the images");
    bundle.checkpoint(&[]).succeeds();
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "4");
}

#[test]
fn a_container_may_go_on_beside_its_checkpoint() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    bundle.checkpoint(&["--leave-running"]).succeeds();
    assert_eq!(bundle.status(), "running");
    assert_eq!((talk.ask(), talk.ask()), ("2".to_owned(), "3".to_owned()));
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
}

/// A connection, here one within the container's own network, is something that a checkpoint does not take along unasked.
#[test]
fn a_failed_checkpoint_leaves_the_container_running() {
    let echo = "exec 2>/dev/null; nc -l -p 7 -e cat & until nc 127.0.0.1 7; do :; done";
    let bundle = Bundle::new(&["sh", "-c", echo]);
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "x");
    bundle.checkpoint(&[]).fails(1, "--tcp-established");
    assert_eq!(bundle.status(), "running");
    assert_eq!(talk.ask(), "x");
    bundle.checkpoint(&["--tcp-established"]).succeeds();
    let mut after = bundle.restore(&["--tcp-established"]);
    assert_eq!((after.ask(), after.ask()), ("x".to_owned(), "x".to_owned()));
}

/// What is mounted comes from the configuration that a restore is given; the images have no say.
#[test]
fn binds_are_the_configurations() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let (old, new) = (bundle.path().join("old"), bundle.path().join("new"));
    fs::write(&old, "old").expect("write");
    fs::write(&new, "new").expect("write");
    let bind = |source: &Path| {
        let source = source.to_owned();
        bundle.configure(move |config| {
            let mounts = config["mounts"].as_array_mut().expect("mounts");
            mounts.retain(|mount| mount["destination"] != "/etc/file");
            mounts.push(json!({"destination": "/etc/file", "type": "bind", "source": source, "options": ["bind", "ro"]}));
        });
    };
    bind(&old);
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    bind(&new);
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    let file = bundle.call(&["exec", &bundle.id, "cat", "/etc/file"]).succeeds();
    assert_eq!(file.stdout, "new");
}

/// A bind within a bind has its mount point in the outer one's source, where a restore makes it anew.
#[test]
fn binds_within_binds() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let [outer, inner] = ["outer", "inner"].map(|name| bundle.path().join(name));
    fs::create_dir(&outer).expect("mkdir");
    fs::create_dir(&inner).expect("mkdir");
    fs::write(inner.join("file"), "inner").expect("write");
    bundle.configure(|config| {
        let mounts = config["mounts"].as_array_mut().expect("mounts");
        for (destination, source) in [("/test", &outer), ("/test/for/nested", &inner)] {
            let bind =
                json!({"destination": destination, "type": "bind", "source": source, "options": ["bind"]});
            mounts.push(bind);
        }
    });
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    fs::remove_dir_all(outer.join("for")).expect("the mount point");
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    let file = bundle.call(&["exec", &bundle.id, "cat", "/test/for/nested/file"]).succeeds();
    assert_eq!(file.stdout, "inner");
}

/// As in runc and crun, an annotation names a file of options for CRIU, which go before all others.
#[test]
fn options_of_crius_own() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let [file, dumped, restored] = ["criu.conf", "dumped", "restored"].map(|name| bundle.path().join(name));
    bundle.configure(|config| config["annotations"]["org.criu.config"] = text(&file).into());
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    fs::write(&file, format!("log-file={}\n", dumped.display())).expect("write");
    bundle.checkpoint(&[]).succeeds();
    fs::write(&file, format!("log-file={}\n", restored.display())).expect("write");
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    for log in [dumped, restored] {
        assert_ne!(fs::metadata(&log).expect("a log").len(), 0, "{log:?}");
    }
}

/// The memory stays where it is until somebody fetches it; that it can be fetched is said on a descriptor.
#[test]
fn lazy_pages() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    if is_ours() {
        bundle.checkpoint(&["--lazy-pages"]).fails(1, "--page-server");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let server = format!("127.0.0.1:{port}");
    let images = bundle.images();
    let (mut status, writer) = std::io::pipe().expect("a pipe");
    let mut command = Command::new("sh");
    // A shell puts the pipe on descriptor 3.
    command.args(["-c", "exec 3>&1 >/dev/null; exec \"$@\"", "sh"]).arg(crate::subject::runtime());
    command.arg("--root").arg(bundle.root()).args(["checkpoint", "--image-path", text(&images)]);
    command.args(["--lazy-pages", "--page-server", &server, "--status-fd", "3", &bundle.id]);
    let errors = fs::File::create(bundle.path().join("stderr")).expect("a file");
    let mut dump = command.stdin(Stdio::null()).stdout(writer).stderr(errors).spawn().expect("it starts");
    drop(command);
    let mut ready = [1];
    status.read_exact(&mut ready).expect("CRIU says when it is ready");
    assert_eq!(ready, [0]);
    assert!(images.join("inventory.img").exists());
    assert_eq!(dump.try_wait().expect("a child"), None);
    // Whoever has fetched all pages closes the connection, and so the container.
    drop(std::net::TcpStream::connect(&server).expect("a page server"));
    assert!(dump.wait().expect("a child").success());
    bundle.verb("state").fails(1, "does not exist");
}

/// A network namespace given by path is not in the images: the restore is given another.
#[test]
fn a_network_given_by_path() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let (first, second) = (Namespace::network(), Namespace::network());
    let join = |namespace: &Namespace| {
        let path = namespace.path();
        bundle.configure(move |config| {
            for namespace in config["linux"]["namespaces"].as_array_mut().expect("namespaces") {
                if namespace["type"] == "network" {
                    namespace["path"] = path.clone().into();
                }
            }
        });
    };
    join(&first);
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    join(&second);
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    let link = bundle.call(&["exec", &bundle.id, "readlink", "/proc/1/ns/net"]).succeeds();
    assert_eq!(link.stdout.trim(), second.link());
}

/// A process that does nothing but hold a network namespace of its own.
struct Namespace(Child);

impl Namespace {
    fn network() -> Namespace {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let mut ready = [0];
        holder.stdout.as_mut().expect("piped").read_exact(&mut ready).expect("it is there");
        Namespace(holder)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    fn link(&self) -> String {
        fs::read_link(self.path()).expect("a namespace").to_string_lossy().into_owned()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_user_namespace() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    bundle.give_a_user_namespace();
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    bundle.call(&["exec", &bundle.id, "true"]).succeeds();
}

/// systemd mounts /dev with nosuid and strictatime, and of what a user namespace has from there no flag can be changed.
#[test]
fn a_user_namespace_where_dev_is_mounted_as_by_systemd() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    bundle.give_a_user_namespace();
    let talk = |words: &[&str]| {
        let script = "mount -o remount,bind,nosuid,strictatime /dev; exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", script, "sh"]).arg(crate::subject::runtime());
        command.arg("--root").arg(bundle.root()).args(words).args([
            "--bundle",
            text(bundle.path()),
            &bundle.id,
        ]);
        Talk::start(command, &bundle.path().join("stderr"))
    };
    let mut before = talk(&["run", "--detach"]);
    assert_eq!(before.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    let mut after = talk(&["restore", "--detach", "--image-path", text(&bundle.images())]);
    assert_eq!(after.ask(), "2");
}

#[test]
fn a_cgroup_namespace() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    bundle.configure(|config| {
        let namespaces = config["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
        namespaces.push(json!({"type": "cgroup"}));
        config["linux"]["resources"]["pids"] = json!({"limit": 77});
    });
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    let read = || bundle.call(&["exec", &bundle.id, "cat", "/proc/1/cgroup"]).succeeds().stdout;
    let before = read();
    bundle.checkpoint(&[]).succeeds();
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    assert_eq!(read(), before);
    let limits = bundle.cgroups().into_iter().map(|group| group.join("pids.max"));
    let limits: Vec<String> = limits.filter_map(|file| fs::read_to_string(file).ok()).collect();
    assert!(limits.iter().any(|limit| limit.trim() == "77"), "{limits:?}");
}

#[test]
fn hooks_run_for_a_restored_container() {
    let bundle = Bundle::new(&["sh", "-c", COUNTER]);
    let said = bundle.path().join("said");
    let hook = |word: &str| {
        let line = format!("echo {word} >> {}", said.display());
        json!([{"path": "/bin/sh", "args": ["sh", "-c", line]}])
    };
    bundle.configure(|config| {
        config["hooks"] = json!({"prestart": hook("prestart"), "createRuntime": hook("createRuntime"), "poststop": hook("poststop")});
    });
    let mut talk = bundle.run_counter();
    assert_eq!(talk.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    let mut after = bundle.restore(&[]);
    assert_eq!(after.ask(), "2");
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
    let once = "prestart\ncreateRuntime\npoststop\n";
    assert_eq!(fs::read_to_string(said).expect("hooks ran"), [once, once].concat());
}

#[test]
fn a_terminal_is_restored_to_the_console_socket() {
    let bundle = Bundle::new(&["sh", "-c", &format!("stty -echo; {COUNTER}")]);
    let listener = bundle.give_a_terminal();
    let mut before = bundle.terminal(&listener, &["run", "--detach"]);
    assert_eq!(before.ask(), "1");
    bundle.checkpoint(&[]).succeeds();
    let mut after = bundle.restore_terminal(&listener);
    assert_eq!(after.ask(), "2");
    // Still the controlling terminal of its session: field 7 of stat is not 0.
    let stat = bundle.call(&["exec", &bundle.id, "cat", "/proc/1/stat"]).succeeds().stdout;
    assert_ne!(stat.split(' ').nth(6), Some("0"), "{stat}");
    bundle.checkpoint(&[]).succeeds();
    let mut again = bundle.restore_terminal(&listener);
    assert_eq!(again.ask(), "3");
}

/// One that was opened a second time is no controlling terminal once CRIU has restored it; it is a terminal all the same.
#[test]
fn a_terminal_that_was_opened_twice_is_restored_each_time() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sh", "-c", &format!("stty -echo; exec </dev/console; {COUNTER}")]);
    let listener = bundle.give_a_terminal();
    let mut terminal = bundle.terminal(&listener, &["run", "--detach"]);
    for count in ["1", "2", "3"] {
        assert_eq!(terminal.ask(), count);
        bundle.checkpoint(&[]).succeeds();
        terminal = bundle.restore_terminal(&listener);
    }
    assert_eq!(terminal.ask(), "4");
}

struct Terminal(fs::File);

impl Terminal {
    /// Sends a line, and returns the answer; an echo of the line, should there be one, is passed over.
    fn ask(&mut self) -> String {
        self.0.write_all(b"x\n").expect("the terminal takes a line");
        loop {
            let line = self.line();
            if line != "x" {
                return line;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).expect("the terminal is open");
            line.push(byte[0]);
        }
        String::from_utf8_lossy(&line).trim().to_owned()
    }
}

fn accept(listener: &UnixListener) -> OwnedFd {
    let (stream, _) = listener.accept().expect("a connection");
    let mut buffer = [0; 4096];
    let (_, mut fds) = socket::receive(&stream, &mut buffer).expect("a message");
    fds.pop().expect("a descriptor")
}

/// Below systemd the root is a shared mount.
#[test]
fn on_a_host_with_a_shared_root() {
    let bundle = Bundle::new(&[
        "sh",
        "-c",
        "echo up > /tmp/up; while read l < /tmp/fifo; do echo $l > /tmp/answer; done",
    ]);
    bundle.configure(|config| config["root"]["readonly"] = false.into());
    let script = r#"
        set -e
        # Apart from this host's mounts, which may be shared as well.
        mount --make-rshared /
        fifo=$2/rootfs/tmp/fifo answer=$2/rootfs/tmp/answer
        mkfifo "$fifo" "$answer"
        run() { "$runtime" --root "$bundle/state" "$@"; }
        runtime=$1 bundle=$2 id=$3
        run run --detach --bundle "$bundle" "$id" </dev/null >/dev/null
        echo one >"$fifo"; read got <"$answer"; [ "$got" = one ]
        run checkpoint --image-path "$bundle/images" "$id"
        run restore --detach --bundle "$bundle" --image-path "$bundle/images" "$id" </dev/null >/dev/null
        echo two >"$fifo"; read got <"$answer"; [ "$got" = two ]
        run delete --force "$id"
        ! grep "$bundle" /proc/self/mounts"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]);
    command.arg(crate::subject::runtime()).arg(bundle.path()).arg(&bundle.id).stdin(Stdio::null());
    run(command).succeeds();
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("create", &[]).succeeds();
    bundle.checkpoint(&[]).fails(1, "it is created");
    bundle.verb("start").succeeds();
    bundle.checkpoint(&["--lazy-pages"]).fails(1, "--lazy-pages");
    bundle.checkpoint(&["--parent-path", "/abs"]).fails(1, "--parent-path");
    bundle.checkpoint(&["--empty-ns", "ipc"]).fails(1, "--empty-ns");
    assert_eq!(bundle.status(), "running");

    let images = bundle.images();
    let out = bundle.make("restore", &["--detach", "--image-path", text(&images)]);
    out.fails(1, "exists already");
    bundle.call(&["delete", "--force", &bundle.id]).succeeds();
    let out = bundle.make("restore", &["--detach", "--image-path", text(&bundle.path().join("none"))]);
    out.fails(1, "none: no such file or directory");
    // No images in it.
    let out = bundle.make("restore", &["--detach", "--image-path", text(&bundle.path().join("rootfs"))]);
    out.fails(1, "CRIU cannot restore the container");
    assert_eq!(bundle.cgroups(), [""; 0].map(PathBuf::from));
}

/// A CRIU that ends at once: the container goes on, and the line says what was run.
#[test]
fn a_broken_criu_is_named() {
    if !is_ours() {
        return;
    }
    let bundle = Bundle::new(&["sleep", "1000"]);
    bundle.make("run", &["--detach"]).succeeds();
    let programs = bundle.path().join("programs");
    fs::create_dir(&programs).expect("mkdir");
    std::os::unix::fs::symlink("/bin/false", programs.join("criu")).expect("symlink");
    let mut command = bundle.command(&["checkpoint", "--image-path", text(&bundle.images()), &bundle.id]);
    command.env("PATH", &programs);
    run(command).fails(1, "exit status 1");
    assert_eq!(bundle.status(), "running");
}
