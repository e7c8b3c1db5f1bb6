use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use ketch_runtime::container::exec::{Options, exec};
use ketch_runtime::container::state::State;
use ketch_runtime::process::scheduler::{Affinity, plan_affinity};
use ketch_runtime::spec::Process;
use ketch_runtime::terminal;

use crate::globals::Globals;
use crate::{descriptors, report, streams};

mod process;

/// Run one more program in a running container
#[derive(Debug, clap::Parser)]
#[command(
    override_usage = "ketchrun exec [OPTIONS] <CONTAINER> <COMMAND>...\n       ketchrun exec [OPTIONS] --process <FILE> <CONTAINER>"
)]
pub(crate) struct Args {
    /// The container's id
    container: String,

    /// The program and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "process",
        conflicts_with = "process"
    )]
    command: Vec<String>,

    /// Send the terminal's master to this listening unix socket
    #[arg(long, value_name = "SOCKET")]
    console_socket: Option<PathBuf>,

    /// Send a pidfd of the process to this listening unix socket
    #[arg(long, value_name = "SOCKET")]
    pidfd_socket: Option<PathBuf>,

    /// Working directory in the container
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,

    /// Set an environment variable; may be given more than once
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,

    /// Give the process a terminal
    #[arg(short, long)]
    tty: bool,

    /// Run as this user
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,

    /// One more group; may be given more than once
    #[arg(short = 'g', long, value_name = "GID")]
    additional_gids: Vec<u32>,

    /// Read the process from this file, in the form of config.json's `process`
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,

    /// Return once the process runs
    #[arg(short, long)]
    detach: bool,

    /// Write the process's id to this file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,

    /// SELinux label of the process
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,

    /// AppArmor profile of the process
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,

    /// Let the process gain no privileges
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_new_privs: Option<bool>,

    /// Add a capability; may be given more than once
    #[arg(short, long, value_name = "NAME")]
    cap: Vec<String>,

    /// Hand down the descriptors among this many after the standard three (and those of $LISTEN_FDS)
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u32,

    /// Run in this cgroup below the container's; on cgroup v1 may be given more than once, for different controllers
    #[arg(long, value_name = "[CONTROLLER[,…]:]PATH")]
    cgroup: Vec<String>,

    /// Go into a paused container too; the process runs when it is resumed
    #[arg(long)]
    ignore_paused: bool,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> anyhow::Result<ExitCode> {
    let root = globals.root();
    let state = State::load(&root, &args.container)?;
    let mut process = process::build(globals, &state, args)?;
    if process.exec_cpu_affinity().is_some() {
        report::debug(globals, || initial_affinity(&process));
    }
    let terminal = process.terminal().unwrap_or(false);
    let stdio = streams::stdio(terminal, args.detach, args.console_socket.as_deref())?;
    let options = Options {
        root: &root,
        stdio,
        preserve_fds: descriptors::preserved(args.preserve_fds, Some(&mut process))?,
        pid_file: args.pid_file.as_deref(),
        cgroup: &args.cgroup,
        ignore_paused: args.ignore_paused,
    };
    if !args.detach {
        terminal::hold_signals()?;
    }
    let started = exec(&state, &process, options)
        .with_context(|| format!("cannot exec in container {:?}", args.container))?;
    if let Some(socket) = &args.pidfd_socket {
        descriptors::send_pidfd(socket, &started.pidfd, "setns")?;
    }
    if args.detach {
        return Ok(ExitCode::SUCCESS);
    }
    streams::attend(&started.pidfd, started.console, None)
}

/// As runc says it: a mask that lasts until the process is in its cgroup shows nowhere else.
fn initial_affinity(process: &Process) -> String {
    match plan_affinity(process.exec_cpu_affinity().as_ref()) {
        Ok(Affinity { initial: Some(words), .. }) => {
            let digits: String = words.iter().rev().map(|word| format!("{word:016x}")).collect();
            format!("initial CPU affinity: 0x{}", digits.trim_start_matches('0'))
        }
        _ => "no initial CPU affinity".to_owned(),
    }
}
