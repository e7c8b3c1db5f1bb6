//! `ketch unshare`

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use nix::errno::Errno;
use nix::unistd::execvpe;

use crate::failure::Failure;
use crate::globals::Globals;
use crate::rootless;

/// Run a command in the user's namespaces, where it is root and sees the containers' files as they do
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Show help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// The command and its arguments; a shell without
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    // podman's words.
    anyhow::ensure!(rootless::user().is_some(), "please use unshare with rootless");
    rootless::enter_for_good(&globals.paths()?)?;
    let words = match args.words {
        words if words.is_empty() => vec![std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into())],
        words => words,
    };
    let words: Vec<CString> =
        words.into_iter().map(|word| CString::new(word.into_vec())).collect::<Result<_, _>>()?;
    let Err(errno) = execvpe(&words[0], &words, &rootless::environment()?);
    let code = if errno == Errno::ENOENT { 127 } else { 126 };
    let message = format!("cannot execute {}: {}", words[0].to_string_lossy(), errno.desc().to_lowercase());
    Err(Failure { code, message }.into())
}
