//! `ketch pod clone`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::Engine;
use ketch_engine::container::duplicate::{leave_pod, options};
use ketch_engine::container::join;
use ketch_engine::container::options::{Namespace, Network, Options, UsernsMode};
use ketch_engine::container::remove::Force;
use ketch_engine::image::{self, Image};
use ketch_engine::pod::create::{Infra, create};
use ketch_engine::pod::member::{self, Own};
use ketch_engine::pod::options::PodOptions;
use ketch_engine::pod::start::start;
use ketch_engine::state::containers::Record;
use ketch_engine::state::pods::{FindPodError, Pod};

use super::remove::remove_pod;
use crate::commands::container::clone::make;
use crate::flags::{ChangeFlags, env, values};
use crate::globals::Globals;

/// Create a pod after another one, with a container for each of its
#[derive(Debug, clap::Parser)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    #[command(flatten)]
    change: ChangeFlags,
    /// Cgroup below which the pod's own is made
    #[arg(long, value_name = "PATH")]
    cgroup_parent: Option<String>,
    /// Remove the other one
    #[arg(long)]
    destroy: bool,
    /// Show help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// Name of the members on the network
    #[arg(long, short = 'h', value_name = "NAME")]
    hostname: Option<String>,
    /// What the infra container runs, in place of its image's own
    #[arg(long, value_name = "COMMAND")]
    infra_command: Option<String>,
    /// Name of the infra container
    #[arg(long, value_name = "NAME")]
    infra_name: Option<String>,
    /// Add a label (KEY=VALUE)
    #[arg(long, short, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Read labels from a file
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Name of the new pod [default: the other one's and -clone]
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    /// Restart policy of members that have none: no, always, on-failure[:TIMES] or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Start it
    #[arg(long)]
    start: bool,
    /// The pod, and a name for the new one
    #[arg(value_names = ["POD", "NAME"], num_args = 0..)]
    words: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let (pod, name) = match &args.words[..] {
        [pod] => (pod, None),
        [pod, name] => (pod, Some(name)),
        words => bail!("accepts between 1 and 2 arg(s), received {}", words.len()),
    };
    let engine = globals.engine()?;
    let old = engine.db.find_pod(pod)?;
    let (infra, members): (Vec<_>, Vec<_>) =
        engine.db.members(&old.id)?.into_iter().partition(|member| member.options.infra);
    let asked = args.name.as_ref().or(name).filter(|name| !name.is_empty()).cloned();
    let name = asked.map_or_else(|| free_name(&engine, &old), Ok)?;
    let new = pod_options(&args, &old, name)?;
    let infra = infra.first();
    let image = infra.map(|infra| image_of(&engine, infra)).transpose()?.flatten();
    let infra_options = infra.map(|infra| infra_options(&args, &old, infra));
    let with_infra = infra_options.zip(image.as_ref()).map(|(options, image)| Infra { options, image });
    let pod = create(&engine, new, with_infra.as_ref())?;
    for member in &members {
        clone_member(&engine, &pod, infra, member)?;
    }
    if args.destroy {
        remove_pod(&engine, &old, Force::Stop { seconds: None })?;
    }
    if args.start {
        let failed = start(&engine, &pod)?;
        if let Some(error) = failed.into_iter().next() {
            return Err(error.into());
        }
    }
    writeln!(std::io::stdout(), "{}", pod.id)?;
    Ok(ExitCode::SUCCESS)
}

fn free_name(engine: &Engine, old: &Pod) -> anyhow::Result<String> {
    let mut number = 0;
    loop {
        let suffix = if number == 0 { String::new() } else { number.to_string() };
        let name = format!("{}-clone{suffix}", old.name);
        match engine.db.find_pod(&name) {
            Ok(other) if other.name == name => number += 1,
            Ok(_) | Err(FindPodError::NotFound(_)) => return Ok(name),
            Err(error) => return Err(error.into()),
        }
    }
}

fn pod_options(args: &Args, old: &Pod, name: String) -> anyhow::Result<PodOptions> {
    let mut new = PodOptions { name: Some(name), ..old.options.clone() };
    args.change.apply(&mut new.limits)?;
    new.labels.extend(env::labels(&args.label_file, &args.label)?);
    new.cgroup_parent = args.cgroup_parent.clone().or(new.cgroup_parent);
    if let Some(policy) = &args.restart {
        new.restart = values::restart(policy)?;
    }
    if let Some(name) = args.hostname.as_deref().filter(|name| !name.is_empty()) {
        new.hostname = Some(values::hostname(name)?);
    }
    Ok(new)
}

fn infra_options(args: &Args, old: &Pod, infra: &Record) -> Options {
    let mut options = options(infra);
    (options.name, options.pod, options.cgroup_parent) = (args.infra_name.clone(), None, None);
    // Without one of its own it has the pod's name.
    options.hostname = args.hostname.clone().or_else(|| old.options.hostname.clone());
    if let Some(command) = &args.infra_command {
        options.entrypoint = Some(values::entrypoint(command));
        options.command = Vec::new();
    }
    options
}

fn image_of(engine: &Engine, record: &Record) -> anyhow::Result<Option<Image>> {
    Ok(record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?)
}

/// Shares in the new pod what it shares in the old one.
fn clone_member(engine: &Engine, pod: &Pod, infra: Option<&Record>, member: &Record) -> anyhow::Result<()> {
    let mut new = options(member);
    let is_own = |namespace: Option<&Namespace>| !matches!((namespace, infra), (Some(Namespace::Container(id)), Some(infra)) if *id == infra.id);
    let namespaces = &new.namespaces;
    let own = Own {
        network: !matches!((&new.network, infra), (Network::Container(id), Some(infra)) if *id == infra.id),
        pid: is_own(Some(&namespaces.pid)),
        ipc: is_own(Some(&namespaces.ipc)),
        uts: is_own(Some(&namespaces.uts)),
        cgroup: is_own(namespaces.cgroup.as_ref()),
        userns: !matches!((&new.userns.mode, infra), (UsernsMode::Container(id), Some(infra)) if *id == infra.id),
        restart: true,
    };
    leave_pod(&mut new, Network::None);
    member::join(engine, pod, &mut new, own)?;
    join::resolve(engine, &mut new)?;
    let image = image_of(engine, member)?;
    make(engine, member, new, None, image.as_ref())?;
    Ok(())
}
