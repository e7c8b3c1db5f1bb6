//! Real terminals, typed on through tmux: job control, resize, Ctrl-C, detach, full-screen programs.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use ketch_integration::wait::wait_for;
use ketch_integration::{Engine, program};

static SERVERS: AtomicU32 = AtomicU32::new(0);

/// A tmux server of its own with one window.
struct Tmux {
    socket: std::path::PathBuf,
}

impl Tmux {
    /// Starts `ketch <line>` in a window of 80 × 24.
    fn start(engine: &Engine, line: &str) -> Tmux {
        // A server of its own each time: the one before may still be ending.
        let socket = engine.path(&format!("tmux-{}", SERVERS.fetch_add(1, Ordering::Relaxed)));
        let tmux = Tmux { socket };
        let command = engine.command();
        let words: Vec<_> = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|w| w.to_str().unwrap())
            .collect();
        let shell = format!("{} {line}; echo \"code $?\"; exec sleep 1000", words.join(" "));
        tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &shell]);
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(args).env_remove("TMUX").env("TERM", "xterm");
        program::finish(&mut command).ok().stdout
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// Waits until the screen shows `part`; a screen gives no other notice.
    #[track_caller]
    fn shows(&self, part: &str) -> String {
        wait_for(&format!("{part:?} on the screen"), || {
            let screen = self.run(&["capture-pane", "-p"]);
            if screen.contains(part) { Ok(screen) } else { Err(screen) }
        })
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").status();
    }
}

#[test]
fn run_on_a_terminal() {
    let engine = Engine::with_busybox();
    let tmux = Tmux::start(&engine, "run --rm -it --name t busybox sh");
    tmux.shows("#");
    tmux.keys(&["tty; stty size", "Enter"]);
    tmux.shows("/dev/pts/0");
    tmux.shows("24 80");
    // SIGWINCH reaches the child. Each job says when it is in the foreground: a key typed before would go to the shell.
    let watch =
        r#"sh -c 'trap "echo resized to \$(stty size)" WINCH; echo ready 1; while :; do sleep 0.1; done'"#;
    tmux.keys(&[watch, "Enter"]);
    tmux.shows("\nready 1");
    tmux.run(&["resize-window", "-x", "100", "-y", "30"]);
    tmux.shows("resized to 30 100");
    // Job control: a job is interrupted, another stopped.
    tmux.keys(&["C-c"]);
    tmux.keys(&["echo code was $?", "Enter"]);
    tmux.shows("code was 130");
    tmux.keys(&["sh -c 'echo ready 2; exec sleep 1000'", "Enter"]);
    tmux.shows("\nready 2");
    tmux.keys(&["C-z"]);
    tmux.shows("Stopped");
    tmux.keys(&["kill %1; exit 7", "Enter"]);
    tmux.keys(&["exit 7", "Enter"]);
    tmux.shows("code 7");
}

#[test]
fn detach_and_attach_again() {
    let engine = Engine::with_busybox();
    let tmux = Tmux::start(&engine, "run -it --name d busybox sh");
    tmux.shows("#");
    tmux.keys(&["echo first", "Enter"]);
    tmux.shows("first");
    tmux.keys(&["C-p", "C-q"]);
    tmux.shows("code 0");
    engine.run(["inspect", "--format", "{{.State.Status}}", "d"]).ok().assert_stdout("running");
    drop(tmux);
    let tmux = Tmux::start(&engine, "attach d");
    tmux.keys(&["echo second", "Enter"]);
    tmux.shows("second");
    tmux.keys(&["exit 3", "Enter"]);
    tmux.shows("code 3");
}

#[test]
fn exec_on_a_terminal() {
    let engine = Engine::with_busybox();
    engine.line("run -d --name x busybox sleep 1000").ok();
    let tmux = Tmux::start(&engine, "exec -it x sh");
    tmux.shows("#");
    tmux.keys(&["stty size", "Enter"]);
    tmux.shows("24 80");
    tmux.run(&["resize-window", "-x", "90", "-y", "20"]);
    tmux.keys(&["sh -c 'echo ready; exec sleep 1000'", "Enter"]);
    tmux.shows("\nready");
    tmux.keys(&["C-c"]);
    tmux.keys(&["stty size", "Enter"]);
    tmux.shows("20 90");
    tmux.keys(&["exit 4", "Enter"]);
    tmux.shows("code 4");
}

/// A full-screen program draws where it should, and the screen is whole again after it.
#[test]
fn full_screen_program() {
    let engine = Engine::with_busybox();
    let tmux = Tmux::start(&engine, "run --rm -it busybox sh");
    tmux.shows("#");
    tmux.keys(&[
        "i=0; while [ $i -lt 99 ]; do echo row $i; i=$((i+1)); done > /tmp/rows; vi /tmp/rows",
        "Enter",
    ]);
    let screen = tmux.shows("row 20");
    assert!(screen.lines().next().unwrap().contains("row 0"), "{screen}");
    tmux.keys(&["G"]);
    tmux.shows("row 98");
    tmux.keys(&[":q!", "Enter"]);
    tmux.keys(&["echo $((40 + 2)) rows", "Enter"]);
    tmux.shows("42 rows");
    tmux.keys(&["exit", "Enter"]);
    tmux.shows("code 0");
}
