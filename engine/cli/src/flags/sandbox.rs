//! What `sandbox` has besides, and what it asks for where nothing else is said.

use anyhow::{Context, ensure};
use clap::{Arg, Command, ValueEnum};
use ketch_engine::container::options::Options;

use super::{ContainerFlags, into_options};

#[derive(Debug, clap::Args)]
#[command(next_display_order = None)]
pub(crate) struct SandboxFlags {
    /// Root is this image's [default: the host's own root, unchanged below a layer that is thrown away]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// What is told when it has ended: text, json or none
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) summary: SummaryForm,
    /// Where that is written: a descriptor that this command was started with
    #[arg(long, value_name = "FD", default_value = "2")]
    pub(crate) summary_fd: i32,
    /// Name every file that was added, changed or deleted
    #[arg(long)]
    pub(crate) summary_files: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SummaryForm {
    Text,
    Json,
    None,
}

/// `command` with the flags of `run` as a sandbox has them.
pub(crate) fn as_sandbox(command: Command) -> Command {
    // They would say again, or take back, what makes it a sandbox.
    const SETTLED: [&str; 3] = ["rootfs", "rm", "restart"];
    let settled = |arg: Arg| if SETTLED.contains(&arg.get_id().as_str()) { arg.hide(true) } else { arg };
    command.mut_args(settled).mut_arg("words", |words| {
        words
            .value_names(["COMMAND"])
            .num_args(0..)
            .required(false)
            .help("Command and its arguments; with --image the image's own, if there is none")
    })
}

/// What `run --rm` would be asked for: no network, no new privileges, no log, the host's root and the caller's directory,
/// unless the flags say otherwise.
pub(crate) fn into_sandbox(flags: &mut ContainerFlags, own: &SandboxFlags) -> anyhow::Result<Options> {
    ensure!(!flags.rootfs, "a sandbox's root is the host's, or that of --image: --rootfs is for run");
    ensure!(flags.restart.is_none(), "a sandbox is gone when its command ends: --restart is for run");
    ensure!(
        own.summary != SummaryForm::None || !own.summary_files,
        "--summary-files and --summary none cannot be used together"
    );
    ensure!(
        own.image.is_some() || !flags.words.is_empty() || flags.entrypoint.is_some(),
        "a command is needed: ketch sandbox [OPTIONS] -- COMMAND"
    );
    flags.rm = true;
    flags.rootfs = own.image.is_none();
    flags.words.insert(0, own.image.clone().unwrap_or_else(|| "/:O".to_owned()));
    // What the user says comes later, and wins.
    flags.security_opt.insert(0, "no-new-privileges".to_owned());
    flags.log_driver.get_or_insert_with(|| "none".to_owned());
    if flags.rootfs && flags.workdir.is_none() {
        let here =
            std::env::current_dir().context("cannot tell the working directory; choose one with -w")?;
        flags.workdir = Some(here.to_str().context("the working directory's name is not UTF-8")?.to_owned());
    }
    if !flags.network.is_chosen() && flags.pod.is_none() {
        flags.network.choose("none");
    }
    into_options(flags)
}
