//! `ketch exec`

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::exec::{Options, ended, exec};
use ketch_monitor::attach::parse_detach_keys;
use ketch_runtime::container::create::Stdio;
use ketch_runtime::terminal::{self, Ending};

use super::select::{exit_code, one};
use super::session::{failure, message};
use super::terminal::keep;
use crate::flags::{PreserveFlags, env};
use crate::globals::Globals;
use crate::rootless;

/// Run one more command in a running container
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Take the container's id from this file; all words are the command then
    #[arg(long, value_name = "FILE")]
    cidfile: Option<PathBuf>,
    /// Return once the command runs, and print an id for it
    #[arg(long, short)]
    detach: bool,
    /// Keys that detach from a terminal; "" for none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Set a variable (NAME=VALUE; NAME or PREFIX* takes those of the caller)
    #[arg(long, short, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Keep stdin open
    #[arg(long, short)]
    interactive: bool,
    /// The container that was created last; all words are the command then
    #[arg(long, short)]
    latest: bool,
    /// Keep no session in the database: none ever is
    #[arg(long)]
    no_session: bool,
    #[command(flatten)]
    preserve: PreserveFlags,
    /// Give all capabilities
    #[arg(long)]
    privileged: bool,
    /// Allocate a terminal
    #[arg(long, short)]
    tty: bool,
    /// User, by name or number (USER[:GROUP])
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Directory to start in
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// The container, then the command and its arguments
    #[arg(value_names = ["CONTAINER", "COMMAND"], num_args = 0.., trailing_var_arg = true)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    rootless::enter(&globals.paths()?)?;
    protect()?;
    ensure!(
        !args.latest || args.cidfile.is_none(),
        "--latest and --cidfile cannot be used together: each names a container"
    );
    let by_file = args.cidfile.as_deref().map(cid).transpose()?;
    let (name, command) = match (&by_file, args.words.split_first()) {
        (Some(id), _) => (Some(id.as_str()), &args.words[..]),
        (None, Some((first, rest))) if !args.latest => (Some(first.as_str()), rest),
        _ => (None, &args.words[..]),
    };
    if name.is_none() && !args.latest {
        bail!("exec requires the name or ID of a container or the --latest flag");
    }
    let empty = "must provide a non-empty command to start an exec session: invalid argument";
    ensure!(command.first().is_some_and(|word| !word.is_empty()), empty);
    // The first thing to be opened here might get the number of one that was not passed.
    let preserved = args.preserve.take(0)?;
    let keys = parse_detach_keys(&args.detach_keys).map_err(anyhow::Error::msg)?;
    let engine = globals.engine()?;
    let record = one(&engine, name, args.latest, empty)?;
    let options = Options {
        command: command.to_vec(),
        env: env::variables(&args.env_file, &args.env)?,
        user: args.user.clone(),
        workdir: args.workdir.clone(),
        terminal: args.tty,
        privileged: args.privileged,
        preserve: preserved.iter().map(|(number, _)| number.cast_unsigned()).collect(),
    };
    if !args.detach {
        terminal::hold_signals()?;
    }
    let started = exec(&engine, &record, &options, stdio(&args)?).map_err(|error| {
        let code = error.exit_code();
        // podman's code for what does not start in the background.
        let shown = if args.detach && matches!(code, 126 | 127) { 125 } else { code };
        let is_of_runtime = error.is_of_runtime();
        failure(shown, message(error, code, is_of_runtime))
    })?;
    if args.detach {
        started.console.map_or(Ok(()), keep)?;
        writeln!(io::stdout(), "{}", session_id()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.tty && !args.interactive {
        // What is typed is not the command's.
        let null = File::open("/dev/null").context("cannot open /dev/null")?;
        nix::unistd::dup2_stdin(&null).context("cannot replace stdin")?;
    }
    match terminal::attend(&started.pidfd, started.console, &keys, None)? {
        Ending::Exited(code) => {
            ended(&engine, &record, code);
            Ok(exit_code(code))
        }
        Ending::Detached(master) => keep(master).map(|()| ExitCode::SUCCESS),
    }
}

/// The first line, as `--cidfile` of `run` writes it.
fn cid(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading CIDFile {path:?}"))?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn stdio(args: &Args) -> anyhow::Result<Stdio<'static>> {
    if args.tty {
        return Ok(Stdio::Pty);
    }
    if args.interactive && !args.detach {
        return Ok(Stdio::Inherit);
    }
    let null = || -> anyhow::Result<OwnedFd> {
        let null = File::options().read(true).write(true).open("/dev/null");
        Ok(null.context("cannot open /dev/null")?.into())
    };
    if args.detach {
        return Ok(Stdio::Fds([null()?, null()?, null()?]));
    }
    let copy = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().context("cannot copy stdout or stderr");
    Ok(Stdio::Fds([null()?, copy(&io::stdout())?, copy(&io::stderr())?]))
}

/// Goes on in a read-only clone of this program's file, for a process of ours goes into the container (CVE-2019-5736).
pub(crate) fn protect() -> anyhow::Result<()> {
    let args: Vec<CString> =
        std::env::args_os().map(|arg| CString::new(arg.into_vec())).collect::<Result<_, _>>()?;
    let env = rootless::environment()?;
    ketch_sys::exe::reexec_read_only(&args, &env).context(
        "cannot go on in a read-only clone of this program, which keeps containers from replacing it",
    )
}

/// Sessions are not kept; the id is for scripts that expect one.
fn session_id() -> anyhow::Result<String> {
    let mut bytes = [0; 32];
    ketch_sys::random::fill(&mut bytes).context("cannot get random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
