//! `pod create`: a pod and its infra container get their rows, both at once.

use std::time::SystemTime;

use ketch_monitor::clock;
use ketch_sys::Errno;

use super::cgroup;
use super::options::PodOptions;
use crate::Engine;
use crate::container::create::{CreateError as ContainerError, describe};
use crate::container::join::{self, JoinError};
use crate::container::name;
use crate::container::options::{Namespace, Options};
use crate::events::{Action, Event};
use crate::image::Image;
use crate::state::containers::InsertError;
use crate::state::pods::{InsertPodError, Pod};
use crate::userns::settle::settle;
use crate::volume;

#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("running pod create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")]
    Name,
    #[error("cannot get random bytes")]
    Random(#[source] Errno),
    #[error(transparent)]
    Join(#[from] JoinError),
    #[error(transparent)]
    Infra(#[from] ContainerError),
    #[error(transparent)]
    Volume(#[from] volume::CreateError),
    #[error(transparent)]
    Insert(#[from] InsertPodError),
}

/// What the infra container is to be.
#[derive(Debug)]
pub struct Infra<'a> {
    /// A name, a hostname and labels of its own; without the first two it gets them from the pod.
    pub options: Options,
    pub image: &'a Image,
}

pub fn create(engine: &Engine, options: PodOptions, infra: Option<&Infra<'_>>) -> Result<Pod, CreateError> {
    let options = PodOptions { cgroup_manager: engine.cgroup_manager(), ..options };
    if options.name.as_deref().is_some_and(|name| !name::is_valid(name)) {
        return Err(CreateError::Name);
    }
    let mut pod = Pod {
        id: name::id().map_err(CreateError::Random)?,
        name: String::new(),
        created: clock::rfc3339(SystemTime::now()),
        options,
    };
    let mut attempt = 0;
    loop {
        pod.name = match &pod.options.name {
            Some(name) => name.clone(),
            None => name::random_name(attempt).map_err(CreateError::Random)?,
        };
        let inserted = match infra {
            Some(infra) => insert(engine, &pod, infra),
            None => engine.db.insert_pod(&pod, None).map_err(CreateError::from),
        };
        match inserted {
            Err(CreateError::Insert(InsertPodError::NameInUse(_))) if pod.options.name.is_none() => {
                attempt += 1;
            }
            Ok(()) => {
                engine.event(Event::of_pod(&pod, Action::Create));
                return Ok(pod);
            }
            Err(error) => return Err(error),
        }
    }
}

fn insert(engine: &Engine, pod: &Pod, infra: &Infra<'_>) -> Result<(), CreateError> {
    let mut options = of_pod(infra.options.clone(), pod);
    join::resolve(engine, &mut options)?;
    let mut record = describe(engine, options, Some(infra.image))?;
    let volumes = volume::create::for_container(engine, &mut record.options.mounts)?;
    let inserted = loop {
        match engine.db.insert_pod(pod, Some(&record)) {
            // By a container that was created at the same moment.
            Err(InsertPodError::Infra(InsertError::IdsInUse)) => {
                settle(engine, &mut record.options, Some(infra.image)).map_err(ContainerError::from)?;
            }
            inserted => break inserted,
        }
    };
    if inserted.is_err() {
        volumes.undo(engine);
    }
    Ok(inserted?)
}

fn of_pod(mut options: Options, pod: &Pod) -> Options {
    options.pod = Some(pod.id.clone());
    options.infra = true;
    options.name.get_or_insert_with(|| format!("{}-infra", &pod.id[..12]));
    if options.namespaces.uts == Namespace::Private {
        options.hostname.get_or_insert_with(|| pod.name.clone());
    }
    options.labels.clone_from(&pod.options.labels);
    if pod.options.share_parent {
        options.cgroup_parent = Some(cgroup::path(pod).display().to_string());
    }
    options
}
