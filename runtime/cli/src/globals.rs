//! What stands before the verb.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::commands::{self, COMMANDS};
use crate::log::{Level, Target};
use crate::{help, report};

/// OCI runtime: creates and runs containers from bundles.
#[derive(Debug, Default, Parser)]
#[command(
    name = "ketchrun",
    version,
    disable_version_flag = true,
    allow_external_subcommands = true,
    subcommand_required = true,
    args_override_self = true
)]
#[command(override_usage = "ketchrun [OPTIONS] <COMMAND> [ARGUMENTS]...")]
pub(crate) struct Globals {
    /// Directory of the containers' states, on a tmpfs [default: /run/ketchrun]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,

    /// Also write messages to a file, where engines read them, or to journald:ID or syslog:ID
    #[arg(long, value_name = "[file:]PATH", value_parser = target)]
    pub log: Option<Target>,

    /// How the lines of --log are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// Say on the log what is being done: --log-level=debug
    #[arg(long)]
    debug: bool,

    /// What is worth a message
    #[arg(long, value_name = "LEVEL", default_value = "warning")]
    log_level: LogLevel,

    /// Have systemd make the cgroups: linux.cgroupsPath is then slice:prefix:name
    #[arg(long)]
    systemd_cgroup: bool,

    /// Who makes the cgroups
    #[arg(long, value_name = "MANAGER", default_value = "cgroupfs")]
    cgroup_manager: CgroupManager,

    /// Whether to go on without cgroups where they are not permitted
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub rootless: Rootless,

    /// Print version
    #[arg(short, long, short_alias = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    #[default]
    Warning,
    Debug,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CgroupManager {
    #[default]
    Cgroupfs,
    Disabled,
    Systemd,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rootless {
    #[default]
    Auto,
    True,
    False,
}

fn target(word: &str) -> Result<Target, std::convert::Infallible> {
    Ok(Target::parse(word))
}

/// What the words before the verb lead to.
#[derive(Debug)]
pub(crate) enum First {
    /// A command with its own words, its name first.
    Verb { globals: Globals, verb: String, words: Vec<OsString> },
    /// Help or version, already printed.
    Answered,
}

/// Reads the global flags and finds the verb. The first word is this program's name.
pub(crate) fn parse(words: Vec<OsString>) -> anyhow::Result<First> {
    let matches = match Globals::command().disable_help_subcommand(true).try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return answer(&error),
    };
    let mut globals = Globals::from_arg_matches(&matches).map_err(|e| usage(&e, None))?;
    globals.start_here()?;
    let Some((verb, rest)) = matches.subcommand() else {
        bail!("no command given: `ketchrun --help` lists them")
    };
    let mut words = vec![OsString::from(verb)];
    words.extend(rest.get_many::<OsString>("").unwrap_or_default().cloned());
    if verb == "help" || verb == "h" {
        return help_on(&words[1..]);
    }
    Ok(First::Verb { verb: verb.to_owned(), words, globals })
}

/// `help` and `help COMMAND`.
fn help_on(words: &[OsString]) -> anyhow::Result<First> {
    let Some(word) = words.first() else {
        report::print(&of_program())?;
        return Ok(First::Answered);
    };
    let command = word.to_str().and_then(commands::find);
    let command = command.with_context(|| format!("No help topic for '{}'", word.display()))?;
    (command.run)(&Globals::default(), vec![word.clone(), "--help".into()])?;
    Ok(First::Answered)
}

fn of_program() -> String {
    let version = version();
    help::of_program(Globals::command(), version.strip_prefix("ketchrun version ").unwrap_or(&version))
}

/// The whole tree, with all that each command takes, for shells.
pub(crate) fn whole() -> clap::Command {
    Globals::command().subcommands(COMMANDS.iter().map(|c| (c.parser)().name(c.name).about(c.about)))
}

/// Parses a verb's words. `None`: help was asked for and has been printed.
pub(crate) fn verb<A: Parser>(words: Vec<OsString>) -> anyhow::Result<Option<A>> {
    let name = words.first().and_then(|w| w.to_str()).unwrap_or_default().to_owned();
    let matched = A::command()
        .bin_name(format!("ketchrun {name}"))
        // The last one holds, as in runc and crun: podman says `--leave-running` twice.
        .args_override_self(true)
        .try_get_matches_from(words)
        .and_then(|matches| A::from_arg_matches(&matches));
    match matched {
        Ok(args) => Ok(Some(args)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            report::print(&help::of_command(&name, A::command()))?;
            Ok(None)
        }
        Err(error) => {
            Err(in_runcs_words(&error, &name, A::command()).unwrap_or_else(|| usage(&error, Some(&name))))
        }
    }
}

/// clap speaks of help and version as errors: those are printed, the others become ours.
fn answer(error: &clap::Error) -> anyhow::Result<First> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::MissingSubcommand => report::print(&of_program())?,
        ErrorKind::DisplayVersion => report::print(&version())?,
        _ => return Err(in_runcs_words(error, "", Globals::command()).unwrap_or_else(|| usage(error, None))),
    }
    Ok(First::Answered)
}

/// containerd and podman show the first line; `spec:` is what they look for in the others. The last is crun's, in which scripts
/// look for what is built in.
fn version() -> String {
    format!(
        "ketchrun version {}\nspec: {}\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU\n",
        env!("CARGO_PKG_VERSION"),
        commands::features::SPEC_VERSION
    )
}

/// What scripts know how runc says: a flag that there is not, too few words or too many.
fn in_runcs_words(error: &clap::Error, verb: &str, mut command: clap::Command) -> Option<anyhow::Error> {
    let arg = match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(arg) => arg.as_str(),
        ContextValue::Strings(args) => args.first()?,
        _ => return None,
    };
    let flag = arg.starts_with('-').then(|| arg.trim_start_matches('-'));
    command.build();
    let (mut least, mut most) = (0, 0_usize);
    for operand in command.get_positionals() {
        let range = operand.get_num_args().unwrap_or_default();
        least += if operand.is_required_set() { range.min_values().max(1) } else { 0 };
        most = most.saturating_add(range.max_values());
    }
    match (error.kind(), flag) {
        // Required where another flag is not given: that is to be told.
        (ErrorKind::MissingRequiredArgument, None) if least == 1 && !arg.contains("CONTAINER") => None,
        (ErrorKind::UnknownArgument, Some(flag)) => Some(anyhow!("flag provided but not defined: -{flag}")),
        (ErrorKind::UnknownArgument | ErrorKind::MissingRequiredArgument, None) if least == most => {
            Some(anyhow!("{verb:?} requires exactly {most} argument(s)"))
        }
        (ErrorKind::UnknownArgument, None) => {
            Some(anyhow!("{verb:?} requires a maximum of {most} argument(s)"))
        }
        (ErrorKind::MissingRequiredArgument, None) => {
            Some(anyhow!("{verb:?} requires a minimum of {least} argument(s)"))
        }
        _ => None,
    }
}

/// One line of clap's report: what is wrong, without the usage below it.
fn usage(error: &clap::Error, verb: Option<&str>) -> anyhow::Error {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let wrong: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let wrong = wrong.join(" ");
    match verb {
        Some(verb) => anyhow::anyhow!("{verb}: {wrong} (see `ketchrun {verb} --help`)"),
        None => anyhow::anyhow!("{wrong} (see `ketchrun --help`)"),
    }
}

impl Globals {
    /// Paths are meant from where the command was called; a bundle is entered later.
    fn start_here(&mut self) -> anyhow::Result<()> {
        let log = match &mut self.log {
            Some(Target::File(path)) => Some(path),
            _ => None,
        };
        for path in self.root.as_mut().into_iter().chain(log) {
            *path = std::path::absolute(&path).with_context(|| format!("cannot find {}", path.display()))?;
        }
        Ok(())
    }

    /// Absolute: `--root`, or the default: `/run/ketchrun`, and below `$XDG_RUNTIME_DIR` for an ordinary user.
    pub(crate) fn root(&self) -> PathBuf {
        if let Some(root) = &self.root {
            return root.clone();
        }
        if !nix::unistd::geteuid().is_root()
            && let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR")
        {
            return Path::new(&runtime).join("ketchrun");
        }
        PathBuf::from("/run/ketchrun")
    }

    /// The least urgent that is said.
    pub(crate) fn level(&self) -> Level {
        match self.log_level {
            _ if self.debug => Level::Debug,
            LogLevel::Error => Level::Error,
            LogLevel::Warning => Level::Warning,
            LogLevel::Debug => Level::Debug,
        }
    }

    pub(crate) fn cgroup_manager(&self) -> CgroupManager {
        if self.systemd_cgroup { CgroupManager::Systemd } else { self.cgroup_manager }
    }

    /// Whether the person named the root: then it must exist for `list`.
    pub(crate) fn root_is_given(&self) -> bool {
        self.root.is_some()
    }
}
