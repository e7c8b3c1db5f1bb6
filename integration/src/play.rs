//! Plays a page of the documentation, step by step.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::page::{Step, steps};
use crate::{Netns, program};

/// What a page is played on: programs by name, and addresses to be reached by.
#[derive(Debug)]
pub struct Machine {
    /// None: the machine that this runs on, as it is.
    netns: Option<Netns>,
    /// Has `ketch`, for PATH.
    bin: PathBuf,
    host: String,
    host6: String,
}

impl Machine {
    /// One whose `ketch` keeps its things below `dir`, in a network namespace of its own.
    pub fn apart(dir: &Path, netns: Netns, host: &str, host6: &str) -> Machine {
        let ketch = program::engine();
        let (root, run) = (dir.join("root"), dir.join("run"));
        let script = format!(
            "#!/bin/sh\nexec {} --root {} --runroot {} \"$@\"\n",
            ketch.display(),
            root.display(),
            run.display()
        );
        let bin = dir.join("bin");
        fs::create_dir_all(&bin).expect("a directory of the test's own");
        let path = bin.join("ketch");
        fs::write(&path, script).expect("a directory of the test's own");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("a file of the test's own");
        Machine { netns: Some(netns), bin, host: host.to_owned(), host6: host6.to_owned() }
    }

    /// The one that this runs on, with its own addresses and ketch's own directories.
    pub fn this() -> Machine {
        let bin = program::engine().parent().expect("a program lies in a directory").to_owned();
        let listed = |family| {
            let out = program::run("ip", ["-o", family, "address", "show", "scope", "global"]).ok();
            let address = out.stdout.split_whitespace().nth(3).and_then(|cidr| cidr.split('/').next());
            address.expect("this machine has an address of each family").to_owned()
        };
        Machine { netns: None, bin, host: listed("-4"), host6: listed("-6") }
    }

    /// A shell command in `dir`, ended after fifteen minutes. Its output is one file: what goes on in the background holds
    /// nobody up.
    pub fn shell(&self, command: &str, dir: &Path) -> (i32, String) {
        let output = tempfile::NamedTempFile::new().expect("/tmp is writable");
        let stream = || Stdio::from(output.as_file().try_clone().expect("a descriptor is left"));
        let mut shell = self.command("timeout", dir);
        shell.args(["--kill-after=10", "900", "bash", "-c", command]).stdout(stream()).stderr(stream());
        let status = self.start(&mut shell).wait().expect("a child of our own");
        (status.code().unwrap_or(-1), fs::read_to_string(output.path()).expect("the output is text"))
    }

    /// `program` with the machine's PATH and addresses, for [`start`](Self::start).
    pub fn command(&self, program: &str, dir: &Path) -> Command {
        let path = format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command
            .current_dir(dir)
            .env("PATH", path)
            .env("HOST", &self.host)
            .env("HOST6", &self.host6)
            .stdin(Stdio::null());
        command
    }

    pub fn start(&self, command: &mut Command) -> Child {
        let mut start = || command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        match &self.netns {
            Some(netns) => netns.within(start),
            None => start(),
        }
    }

    /// Interfaces that the machine did not have at first.
    pub fn interfaces(&self) -> Vec<String> {
        let (_, listed) = self.shell("ip -o link", Path::new("/"));
        let names = listed.lines().filter_map(|line| line.split(": ").nth(1)).map(str::to_owned);
        names.filter(|name| name != "lo" && !name.starts_with("eth0")).collect()
    }
}

/// The machines of a page, and where its files are.
#[derive(Debug)]
pub struct Stage {
    pub here: Machine,
    /// None: what is for another machine is left out.
    pub other: Option<Machine>,
    pub dir: PathBuf,
    /// Blocks with one of these tags are left out.
    pub without: Vec<String>,
}

/// Plays `page`; `before` hears of each step. The first one that does not do what the page says ends it, with a text
/// that says which and how.
pub fn play(stage: &Stage, page: &str, mut before: impl FnMut(&Step)) -> Result<(), String> {
    for step in wanted(stage, page) {
        before(&step);
        let machine = match &stage.other {
            Some(other) if step.other => other,
            _ => &stage.here,
        };
        let (code, output) = machine.shell(&step.command, &stage.dir);
        if code != 0 || !step.matches(&output) {
            return Err(format!(
                "line {}: `{}` ends with {code}; the page says\n{}\nand it printed\n{output}",
                step.line,
                step.command,
                step.expected.join("\n")
            ));
        }
    }
    Ok(())
}

/// The steps that are for this stage.
pub fn wanted(stage: &Stage, page: &str) -> Vec<Step> {
    let mut steps = steps(page);
    steps.retain(|step| !step.tags.iter().any(|tag| stage.without.contains(tag)));
    steps.retain(|step| !step.other || stage.other.is_some());
    steps
}
