//! What has happened to containers, images and all else, in the order in which it happened.
//!
//! Whoever changes something says so with [`Engine::event`]. The events are lines of JSON, podman's own document each,
//! in `<root>/events/log`; see [`log`] for how the file stays short and [`read`] for how it is read and followed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::state::containers::Record;
use crate::{Engine, Paths};

pub mod filter;
mod log;
pub mod read;

/// One event, in the order of podman's fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Event {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_exit_code: Option<i32>,
    #[serde(rename = "ID", default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Of a container.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Of `connect` and `disconnect`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network: String,
    /// An [`Action`]'s name, of this version or another.
    pub status: Cow<'static, str>,
    /// Seconds since 1970.
    #[serde(rename = "time")]
    pub seconds: u64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano")]
    pub nanoseconds: u64,
    #[serde(rename = "Type")]
    pub kind: Kind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub health_status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    #[serde(rename = "PodID", default, skip_serializing_if = "String::is_empty")]
    pub pod_id: String,
    /// The labels; None for what has none.
    pub attributes: Option<BTreeMap<String, String>>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Container,
    Image,
    Network,
    Pod,
    Secret,
    System,
    Volume,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Image => "image",
            Kind::Network => "network",
            Kind::Pod => "pod",
            Kind::Secret => "secret",
            Kind::System => "system",
            Kind::Volume => "volume",
        }
    }
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Attach,
    Checkpoint,
    Cleanup,
    Commit,
    Connect,
    Create,
    Died,
    Disconnect,
    Exec,
    ExecDied,
    Export,
    HealthStatus,
    Import,
    Init,
    Kill,
    LoadFromArchive,
    Mount,
    Pause,
    Prune,
    Pull,
    PullError,
    Push,
    Remove,
    Rename,
    Restart,
    Restore,
    Save,
    Start,
    Stop,
    Tag,
    Unmount,
    Unpause,
    Untag,
    Update,
}

impl Action {
    /// podman's.
    pub fn name(self) -> &'static str {
        match self {
            Action::Attach => "attach",
            Action::Checkpoint => "checkpoint",
            Action::Cleanup => "cleanup",
            Action::Commit => "commit",
            Action::Connect => "connect",
            Action::Create => "create",
            Action::Died => "died",
            Action::Disconnect => "disconnect",
            Action::Exec => "exec",
            Action::ExecDied => "exec_died",
            Action::Export => "export",
            Action::HealthStatus => "health_status",
            Action::Import => "import",
            Action::Init => "init",
            Action::Kill => "kill",
            Action::LoadFromArchive => "loadfromarchive",
            Action::Mount => "mount",
            Action::Pause => "pause",
            Action::Prune => "prune",
            Action::Pull => "pull",
            Action::PullError => "pull-error",
            Action::Push => "push",
            Action::Remove => "remove",
            Action::Rename => "rename",
            Action::Restart => "restart",
            Action::Restore => "restore",
            Action::Save => "save",
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Tag => "tag",
            Action::Unmount => "unmount",
            Action::Unpause => "unpause",
            Action::Untag => "untag",
            Action::Update => "update",
        }
    }
}

impl Event {
    /// Now. `id` is empty for what has only a name.
    pub fn new(kind: Kind, action: Action, id: &str, name: &str) -> Event {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Event {
            container_exit_code: None,
            id: id.to_owned(),
            image: String::new(),
            name: name.to_owned(),
            network: String::new(),
            status: action.name().into(),
            seconds: now.as_secs(),
            nanoseconds: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            kind,
            health_status: String::new(),
            error: String::new(),
            pod_id: String::new(),
            attributes: None,
        }
    }

    pub fn of_container(record: &Record, action: Action) -> Event {
        Event {
            image: record.image_name.clone(),
            pod_id: record.options.pod.clone().unwrap_or_default(),
            attributes: Some(record.options.labels.clone()),
            ..Event::new(Kind::Container, action, &record.id, &record.name)
        }
    }

    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.nanoseconds)
    }
}

impl Engine {
    /// Notes what has happened: one write, without a sync.
    ///
    /// What was done is done, whether or not it can be noted: a failure (a full disk) is nobody's error.
    pub fn event(&self, event: Event) {
        note(&self.paths, &[event]);
    }
}

/// The same for several at once, also where no database is open.
pub(crate) fn note(paths: &Paths, events: &[Event]) {
    let mut text = Vec::new();
    for event in events {
        if serde_json::to_writer(&mut text, event).is_err() {
            return;
        }
        text.push(b'\n');
    }
    let _ = log::append(&paths.events(), &text);
}
