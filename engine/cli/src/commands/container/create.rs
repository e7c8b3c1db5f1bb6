//! `ketch create`

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use ketch_engine::Engine;
use ketch_engine::container::create::create;
use ketch_engine::container::join;
use ketch_engine::container::options::{InitContainer, Options};
use ketch_engine::container::remove::{Force, remove};
use ketch_engine::image::Image;
use ketch_engine::pod::create::Infra;
use ketch_engine::pod::member::Own;
use ketch_engine::pod::options::{PodOptions, Shared};
use ketch_engine::pod::status::Whole;
use ketch_engine::pod::{self, Status, member};
use ketch_engine::spec::Host;
use ketch_engine::state::containers::{FindError, Record};
use ketch_engine::state::pods::Pod;

use super::image;
use crate::flags::{ContainerFlags, into_options, own_namespaces};
use crate::globals::Globals;

/// Create a container without starting it
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    container: ContainerFlags,
    /// Run it to its end whenever its pod is started, before the others: always, or once, after which it is removed
    #[arg(long, value_name = "WHEN")]
    init_ctr: Option<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let mut options = into_options(&args.container)?;
    options.init_container = args.init_ctr.as_deref().map(init_container).transpose()?.flatten();
    let engine = globals.engine()?;
    if options.init_container.is_some() {
        let pod = args.container.pod()?.context("must specify pod value with init-ctr")?;
        check_pod(&engine, &pod)?;
    }
    let made = make(&engine, &args.container, options)?;
    writeln!(std::io::stdout(), "{}", made.record.id)?;
    Ok(ExitCode::SUCCESS)
}

/// podman's words.
fn init_container(text: &str) -> anyhow::Result<Option<InitContainer>> {
    match text {
        "" => Ok(None),
        "once" => Ok(Some(InitContainer::Once)),
        "always" => Ok(Some(InitContainer::Always)),
        _ => anyhow::bail!("init-ctr value must be 'always' or 'once'"),
    }
}

/// One that runs has begun without it.
fn check_pod(engine: &Engine, text: &str) -> anyhow::Result<()> {
    anyhow::ensure!(!text.starts_with("new:"), "--init-ctr needs a pod that is there already");
    let whole = Whole::read(engine, engine.db.find_pod(text)?)?;
    let runs = matches!(whole.status(), Status::Running | Status::Degraded);
    anyhow::ensure!(!runs, "cannot add init-ctr to a running pod");
    Ok(())
}

/// `--pod NAME`, or `--pod new:NAME`, which takes over what is the pod's to have.
fn pod_of(engine: &Engine, text: &str, options: &mut Options) -> anyhow::Result<Pod> {
    let Some(name) = text.strip_prefix("new:") else { return Ok(engine.db.find_pod(text)?) };
    anyhow::ensure!(!name.is_empty(), "new pod name must be at least one character");
    let pod = PodOptions {
        name: Some(name.to_owned()),
        hostname: options.hostname.take(),
        shared: Shared::DEFAULT,
        share_parent: true,
        create_command: options.create_command.clone(),
        ..PodOptions::default()
    };
    let infra = Options {
        hostname: pod.hostname.clone(),
        network: std::mem::take(&mut options.network),
        ports: std::mem::take(&mut options.ports),
        publish_all: std::mem::take(&mut options.publish_all),
        expose: std::mem::take(&mut options.expose),
        dns: std::mem::take(&mut options.dns),
        hosts: std::mem::take(&mut options.hosts),
        ..Options::default()
    };
    let image = image::of_infra(engine, None)?;
    Ok(pod::create::create(engine, pod, Some(&Infra { options: infra, image: &image }))?)
}

/// A new container, with what was read for it.
pub(super) struct Made {
    pub(super) record: Record,
    pub(super) image: Option<Image>,
    pub(super) host: Host,
}

/// What `create` and `run` have in common.
pub(super) fn make(engine: &Engine, flags: &ContainerFlags, mut options: Options) -> anyhow::Result<Made> {
    anyhow::ensure!(
        !flags.replace || options.name.is_some(),
        "cannot replace container without --name being set"
    );
    options.create_command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let image = match &options.rootfs {
        Some(_) => None,
        None => Some(image::resolve(engine, &options.image, flags.pull, flags.quiet, &flags.registry)?),
    };
    if let Some(image) = &image
        && image::local(&options.image)?.is_some()
    {
        // What ps shows is a name of the store's.
        options.image = image.names.first().unwrap_or(&image.id).clone();
    }
    if let Some(name) = flags.pod()?.as_deref() {
        let pod = pod_of(engine, name, &mut options)?;
        let own = own_namespaces(flags);
        // A new pod has the network that was asked for.
        let own = Own { network: own.network && !name.starts_with("new:"), ..own };
        member::join(engine, &pod, &mut options, own)?;
    }
    join::resolve(engine, &mut options)?;
    options.cgroup_manager = engine.cgroup_manager();
    let host = Host::read(&options)?;
    if let (true, Some(name)) = (flags.replace, &options.name) {
        match engine.db.find_container(name) {
            Ok(old) if old.name == *name => drop(remove(engine, &old, Force::Stop { seconds: None }, true)?),
            Ok(_) | Err(FindError::NotFound(_) | FindError::Ambiguous(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let record = create(engine, options, image.as_ref())?;
    Ok(Made { record, image, host })
}
