//! `create`: a container gets its id, its name and its row. Its directories are made when it is started.

use std::fs;
use std::time::SystemTime;

use ketch_monitor::clock;
use ketch_sys::Errno;

use super::options::{CgroupManager, Exposed, Network, Notify, Options};
use super::volumes_from::{self, VolumesFromError};
use super::{FileError, health, name};
use crate::Engine;
use crate::events::{Action, Event};
use crate::image::Image;
use crate::network::DEFAULT;
use crate::network::ports::{self, ListenError};
use crate::secret::{self, GiveError};
use crate::spec::{self, SpecError};
use crate::state;
use crate::state::containers::{FindError, InsertError, Record};
use crate::state::networks::FindNetworkError;
use crate::tree;
use crate::userns::SettleError;
use crate::userns::settle::settle;
use crate::volume;

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")]
    Name,
    #[error(
        "did not receive systemd slice as cgroup parent when using systemd to manage cgroups: invalid argument"
    )]
    NoSlice,
    #[error("systemd slice received as cgroup parent when using cgroupfs: invalid argument")]
    Slice,
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    VolumesFrom(#[from] VolumesFromError),
    #[error(transparent)]
    Volume(#[from] volume::CreateError),
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// podman's words.
    #[error("sdnotify policy \"healthy\" requires a healthcheck to be set: invalid argument")]
    NoHealth,
    #[error("the image exposes {0:?}, which is not a port")]
    Exposed(String),
    #[error(transparent)]
    Network(#[from] FindNetworkError),
    #[error(transparent)]
    Container(#[from] FindError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Secret(#[from] GiveError),
    #[error(transparent)]
    CidFile(#[from] FileError),
    #[error(transparent)]
    Users(#[from] SettleError),
    #[error(transparent)]
    State(#[from] state::Error),
}

/// Reserves the name, and settles what must not change with the image later: command, labels, stop signal.
pub fn create(engine: &Engine, options: Options, image: Option<&Image>) -> Result<Record, CreateError> {
    let mut record = describe(engine, options, image)?;
    let volumes = volume::create::for_container(engine, &mut record.options.mounts)?;
    if let Err(error) = reserve(engine, &mut record, image) {
        volumes.undo(engine);
        return Err(error);
    }
    if let Err(error) = secret::give(engine, &record) {
        // What cannot be removed is removed with a container of another time, or by hand: it is nobody's.
        let _ = tree::remove(&engine.paths.container(&record.id));
        engine.db.delete_container(&record.id)?;
        volumes.undo(engine);
        return Err(error.into());
    }
    if let Some(path) = &record.options.cid_file
        && let Err(source) = fs::write(path, &record.id)
    {
        engine.db.delete_container(&record.id)?;
        volumes.undo(engine);
        return Err(FileError { step: "write the container's id to", path: path.clone(), source }.into());
    }
    engine.event(Event::of_container(&record, Action::Create));
    Ok(record)
}

/// The row of a new container, which is in no database yet, has no name but one that was asked for, and no volumes.
pub(crate) fn describe(
    engine: &Engine,
    mut options: Options,
    image: Option<&Image>,
) -> Result<Record, CreateError> {
    if options.name.as_deref().is_some_and(|name| !name::is_valid(name)) {
        return Err(CreateError::Name);
    }
    options.cgroup_manager = engine.cgroup_manager();
    check_cgroup_parent(&options)?;
    settle(engine, &mut options, image)?;
    let config = image.and_then(|image| image.config.config().as_ref());
    let mut entrypoint = spec::arguments(&options, config)?;
    let of_image = config.and_then(|config| config.entrypoint().as_ref());
    let words = options.entrypoint.as_ref().or(of_image).map_or(0, Vec::len);
    let command = entrypoint.split_off(words.min(entrypoint.len()));
    volumes_from::resolve(engine, &mut options)?;
    secret::resolve(engine, &mut options.secrets)?;
    options.mounts = spec::wanted_mounts(&options, config)?;
    network(engine, &mut options, config)?;
    options.health = health::settle(options.health.take(), image);
    if options.notify == Notify::Healthy && options.health.is_none() {
        return Err(CreateError::NoHealth);
    }
    if let Some(config) = config {
        options.stop_signal = options.stop_signal.or(stop_signal(config)?);
        for (key, value) in config.labels().iter().flatten() {
            options.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if spec::is_systemd(&options, config) {
        options.stop_signal.get_or_insert(spec::SYSTEMD_STOP_SIGNAL);
    }
    Ok(Record {
        id: name::id().map_err(CreateError::Random)?,
        name: options.name.clone().unwrap_or_default(),
        created: clock::rfc3339(SystemTime::now()),
        image_id: image.map(|image| image.id.clone()),
        image_name: image.map(|image| shown_name(image, &options.image)).unwrap_or_default(),
        entrypoint,
        command,
        options,
    })
}

/// As podman: a slice for systemd, a directory for cgroupfs.
fn check_cgroup_parent(options: &Options) -> Result<(), CreateError> {
    let Some(parent) = options.cgroup_parent.as_deref().filter(|parent| !parent.is_empty()) else {
        return Ok(());
    };
    let name = parent.rsplit('/').next().unwrap_or_default();
    match options.cgroup_manager {
        CgroupManager::Systemd { .. } if !ketch_cgroups::systemd::is_slice(name) => Err(CreateError::NoSlice),
        CgroupManager::Cgroupfs if name.ends_with(".slice") => Err(CreateError::Slice),
        _ => Ok(()),
    }
}

/// Networks and containers by the names that they are kept under, and ports that stay the same from start to start.
fn network(
    engine: &Engine,
    options: &mut Options,
    config: Option<&oci_spec::image::Config>,
) -> Result<(), CreateError> {
    for exposed in config.and_then(|config| config.exposed_ports().as_ref()).into_iter().flatten() {
        let exposed = Exposed::parse(exposed).ok_or_else(|| CreateError::Exposed(exposed.clone()))?;
        if !options.expose.contains(&exposed) {
            options.expose.push(exposed);
        }
    }
    match &mut options.network {
        Network::Bridge(endpoints) => {
            for endpoint in endpoints.iter_mut().filter(|endpoint| endpoint.network != DEFAULT) {
                endpoint.network = engine.db.find_network(&endpoint.network)?.name;
            }
        }
        Network::Container(other) => *other = engine.db.find_container(other)?.id,
        Network::None | Network::Host | Network::Path(_) | Network::Pasta(_) => {}
    }
    Ok(ports::settle(options)?)
}

fn reserve(engine: &Engine, record: &mut Record, image: Option<&Image>) -> Result<(), CreateError> {
    let is_random = record.name.is_empty();
    let mut attempt = 0;
    loop {
        if is_random {
            record.name = name::random_name(attempt).map_err(CreateError::Random)?;
        }
        match engine.db.insert_container(record) {
            Err(InsertError::NameInUse { .. }) if is_random => attempt += 1,
            // By a container that was created at the same moment.
            Err(InsertError::IdsInUse) => settle(engine, &mut record.options, image)?,
            result => return Ok(result?),
        }
    }
}

fn stop_signal(config: &oci_spec::image::Config) -> Result<Option<i32>, SpecError> {
    match config.stop_signal().as_deref().filter(|name| !name.is_empty()) {
        Some(name) => spec::signal(name).map(Some).ok_or_else(|| SpecError::Signal(name.to_owned())),
        None => Ok(None),
    }
}

/// The image's own name for what it was asked for by: `debian` is `docker.io/library/debian:latest`.
fn shown_name(image: &Image, asked: &str) -> String {
    let wanted = asked.rsplit('/').next().unwrap_or(asked);
    let tagged = if wanted.contains([':', '@']) { wanted.to_owned() } else { format!("{wanted}:latest") };
    let matching = image.names.iter().find(|name| name.rsplit('/').next() == Some(&tagged));
    matching.or(image.names.first()).unwrap_or(&image.id).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_names() {
        let image = |names: &[&str]| Image {
            id: "beef".into(),
            digest: String::new(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            repo_digests: Vec::new(),
            size: 0,
            layers: Vec::new(),
            config: Default::default(),
            raw_config: Vec::new(),
            raw_manifest: Vec::new(),
        };
        let names = ["localhost/bb:1", "docker.io/library/debian:latest", "localhost:5000/x/debian:12"];
        for (asked, expected) in [
            ("debian", "docker.io/library/debian:latest"),
            ("x/debian:12", "localhost:5000/x/debian:12"),
            ("bb:1", "localhost/bb:1"),
            ("beef", "localhost/bb:1"),
        ] {
            assert_eq!(shown_name(&image(&names), asked), expected, "{asked}");
        }
        assert_eq!(shown_name(&image(&[]), "beef"), "beef");
    }
}
