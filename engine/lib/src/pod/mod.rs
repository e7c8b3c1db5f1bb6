//! Pods, one verb a file: containers that share namespaces, a cgroup and a life.
//!
//! A pod is a row and its members are rows of containers that name it. What the members share belongs to the infra
//! container, the first of them, which does nothing but live; they join its namespaces when they start. So a pod has no
//! state of its own: how it is doing is how its containers are doing.

pub mod cgroup;
pub mod create;
pub mod filter;
pub mod inspect;
pub mod kill;
pub mod member;
pub mod options;
pub mod pause;
pub mod remove;
pub mod start;
pub mod status;
pub mod stop;

pub use status::Status;

use crate::container::FileError;
use crate::container::pause::PauseError;
use crate::container::remove::RemoveError;
use crate::container::start::StartError;
use crate::container::stop::SignalError;
use crate::image;
use crate::state::containers::Record;

/// What went wrong with one container of a pod; the others had their turn.
#[derive(Debug, thiserror::Error)]
#[error("{step} container {id}")]
pub struct MemberError {
    pub step: &'static str,
    pub id: String,
    #[source]
    pub cause: Cause,
}

#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error(transparent)]
    Image(#[from] image::FindError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Pause(#[from] PauseError),
    #[error(transparent)]
    Remove(#[from] RemoveError),
    #[error(transparent)]
    File(#[from] FileError),
    /// Of a container that the others wait for.
    #[error("init container exited with code {0}")]
    Init(i32),
}

impl MemberError {
    fn of<E: Into<Cause>>(step: &'static str, record: &Record) -> impl FnOnce(E) -> MemberError {
        move |error| MemberError { step, id: record.id.clone(), cause: error.into() }
    }
}
