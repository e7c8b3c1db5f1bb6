//! A container as `ps` shows it.

use std::fs;

use ketch_engine::Engine;
use ketch_engine::container::health::Verdict;
use ketch_engine::container::options::{Network, Port};
use ketch_engine::container::{Status, size};
use ketch_engine::image;
use ketch_engine::state::containers::Record;
use serde_json::{Value, json};

use super::ports;
use crate::output::{ago, human_duration_since, human_size, unix_seconds};

/// What Go shows of a time that was never set, in seconds since 1970.
const NEVER: i64 = -62_135_596_800;

/// Longest command that is shown whole, in characters.
const COMMAND: usize = 17;

pub(super) struct Row {
    pub(super) record: Record,
    pub(super) status: Status,
    pub(super) size: Option<Size>,
    /// Published, its own or those of the container whose network it shares.
    pub(super) ports: Vec<Port>,
    /// What its health checks say, if it has one and runs.
    pub(super) health: Option<Verdict>,
    /// By its restart policy, since a command started it.
    pub(super) restarts: u32,
    /// Empty for one that is in no pod.
    pub(super) pod_name: String,
    /// Inode numbers, in the order of [`NAMESPACES`]; empty where none was looked up.
    pub(super) namespaces: [String; 7],
}

/// Names below /proc/PID/ns, and what `--ns` and `--format` have for them.
pub(super) const NAMESPACES: [(&str, &str); 7] = [
    ("cgroup", "CGROUPNS"),
    ("ipc", "IPC"),
    ("mnt", "MNT"),
    ("net", "NET"),
    ("pid", "PIDNS"),
    ("user", "USERNS"),
    ("uts", "UTS"),
];

/// Those of the process `pid`; 0 has none, nor has one that has ended.
pub(super) fn namespaces(pid: i32) -> [String; 7] {
    NAMESPACES.map(|(name, _)| {
        let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap_or_default();
        // pid:[4026531836]
        let text = link.to_string_lossy();
        text.split(['[', ']']).nth(1).unwrap_or_default().to_owned()
    })
}

/// Bytes in the container's own layer, and in those of its image.
pub(super) struct Size {
    pub(super) own: u64,
    pub(super) image: u64,
}

/// What `--format` can name, and the heading of each in a table.
pub(super) const HEADING: &[(&str, &str)] = &[
    ("AutoRemove", "AUTO REMOVE"),
    ("CIDFile", "CID FILE"),
    ("CGROUPNS", "CGROUPNS"),
    ("Command", "COMMAND"),
    ("Created", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedHuman", "CREATED HUMAN"),
    ("ExitCode", "EXIT CODE"),
    ("Exited", "EXITED"),
    ("ExitedAt", "EXITED AT"),
    ("ExposedPorts", "EXPOSED PORTS"),
    ("ID", "CONTAINER ID"),
    ("IPC", "IPC"),
    ("Image", "IMAGE"),
    ("ImageID", "IMAGE ID"),
    ("IsInfra", "IS INFRA"),
    ("Labels", "LABELS"),
    ("MNT", "MNT"),
    ("Mounts", "MOUNTS"),
    ("NET", "NET"),
    ("Names", "NAMES"),
    ("Namespaces", "NAMESPACES"),
    ("Networks", "NETWORKS"),
    ("PIDNS", "PIDNS"),
    ("Pid", "PID"),
    ("Pod", "POD ID"),
    ("PodName", "POD NAME"),
    ("Ports", "PORTS"),
    ("Restarts", "RESTARTS"),
    ("RunningFor", "RUNNING FOR"),
    ("Size", "SIZE"),
    ("StartedAt", "STARTED AT"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("USERNS", "USERNS"),
    ("UTS", "UTS"),
];

impl Row {
    pub(super) fn id(&self, whole: bool) -> String {
        if whole { self.record.id.clone() } else { self.record.id.chars().take(12).collect() }
    }

    pub(super) fn pod_id(&self, whole: bool) -> String {
        let id = self.record.options.pod.as_deref().unwrap_or_default();
        id.chars().take(if whole { id.len() } else { 12 }).collect()
    }

    pub(super) fn command(&self, whole: bool) -> String {
        let text = self.record.command.join(" ");
        if whole || text.chars().count() <= COMMAND {
            return text;
        }
        text.chars().take(COMMAND).chain("...".chars()).collect()
    }

    pub(super) fn age(&self) -> String {
        ago(&self.record.created)
    }

    /// podman's sentence.
    pub(super) fn state_text(&self) -> String {
        match &self.status {
            Status::Created { .. } => "Created".to_owned(),
            Status::Initialized { .. } => "Initialized".to_owned(),
            Status::Running { started, .. } => {
                let up = format!("Up {}", human_duration_since(started));
                self.health.map_or(up.clone(), |verdict| format!("{up} ({})", verdict.name()))
            }
            Status::Paused { .. } => "Paused".to_owned(),
            Status::Stopping { .. } => "Stopping".to_owned(),
            Status::Exited(exit) => format!("Exited ({}) {}", exit.code, ago(&exit.finished)),
        }
    }

    /// The row of `--format json`.
    pub(super) fn document(&self) -> Value {
        let mut document = self.common();
        let own = json!({
            "Command": self.record.command,
            "CreatedAt": self.age(),
            "Created": unix_seconds(&self.record.created),
            "ExposedPorts": ports::exposed_document(&self.record.options.expose),
            "Id": self.record.id,
            "ImageID": self.record.image_id.as_deref().unwrap_or_default(),
            "Labels": Some(&self.record.options.labels).filter(|labels| !labels.is_empty()),
            "Names": [self.record.name],
            "Namespaces": {},
            "Networks": self.networks(),
            "Pod": self.pod_id(true),
            "Ports": ports::document(&self.ports),
            "Size": self.size.as_ref().map(|size| json!({ "rootFsSize": size.own + size.image, "rwSize": size.own })),
            "Status": self.state_text(),
        });
        merge(&mut document, own);
        document
    }

    /// The same for `{{json .}}`, where the time of creation is one.
    pub(super) fn document_line(&self) -> Value {
        let mut document = self.document();
        document["Created"] = ketch_engine::container::inspect::go_time(&self.record.created).into();
        document
    }

    /// What a template sees.
    pub(super) fn fields(&self, whole: bool) -> Value {
        let mut fields = self.common();
        let image_id = self.record.image_id.as_deref().unwrap_or_default();
        let own = json!({
            "Command": self.command(whole),
            "Created": go_time(&self.record.created),
            "CreatedAt": go_time(&self.record.created),
            "CreatedHuman": self.age(),
            "ExposedPorts": ports::exposed_text(&self.record.options.expose),
            "ID": self.id(whole),
            "ImageID": image_id.chars().take(if whole { image_id.len() } else { 12 }).collect::<String>(),
            "Labels": self.record.options.labels,
            "Names": self.record.name,
            "Namespaces": {},
            "Networks": self.networks().join(","),
            "Pod": self.pod_id(whole),
            "Ports": ports::text(&self.ports, &self.record.options.expose),
            "RunningFor": self.age(),
            "Size": self.size.as_ref().map(Size::text).unwrap_or_default(),
            "Status": self.state_text(),
        });
        merge(&mut fields, own);
        for ((_, name), inode) in NAMESPACES.iter().zip(&self.namespaces) {
            fields[*name] = inode.as_str().into();
        }
        fields
    }

    /// By name.
    fn networks(&self) -> Vec<&str> {
        match &self.record.options.network {
            Network::Bridge(endpoints) => endpoints.iter().map(|endpoint| &*endpoint.network).collect(),
            _ => Vec::new(),
        }
    }

    fn common(&self) -> Value {
        let Record { options, image_name, .. } = &self.record;
        let exit = self.status.exit();
        let seconds = |time: Option<&str>| time.and_then(unix_seconds).unwrap_or(NEVER);
        json!({
            "AutoRemove": options.remove,
            "CIDFile": options.cid_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            "Exited": exit.is_some(),
            "ExitedAt": seconds(exit.map(|exit| &*exit.finished)),
            "ExitCode": exit.map_or(0, |exit| exit.code),
            "Image": image_name,
            "IsInfra": options.infra,
            "Mounts": options.mounts.iter().map(|mount| &mount.destination).collect::<Vec<_>>(),
            "Pid": self.status.pid(),
            "PodName": self.pod_name,
            "Restarts": self.restarts,
            "StartedAt": seconds(self.status.started()),
            "State": self.status.name(),
        })
    }
}

fn merge(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

/// `2026-11-24 11:55:12.361687608 +0000 UTC`
fn go_time(time: &str) -> String {
    let time = ketch_engine::container::inspect::go_time(time);
    format!("{} +0000 UTC", time.trim_end_matches('Z').replacen('T', " ", 1))
}

impl Size {
    pub(super) fn text(&self) -> String {
        format!("{} (virtual {})", joined(self.own), joined(self.own + self.image))
    }
}

/// go-units without the blank, as podman's `ps` has it.
fn joined(bytes: u64) -> String {
    human_size(bytes).replace(' ', "")
}

/// What the container has written, and what its image has.
pub(super) fn size(engine: &Engine, record: &Record) -> anyhow::Result<Size> {
    let image = record.image_id.as_deref().map(|id| image::find(engine, id)).transpose()?;
    Ok(Size { own: size::size(engine, record)?, image: image.map_or(0, |image| image.size) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: Status) -> Row {
        let record = Record {
            id: "0123456789abcdef".into(),
            name: "web".into(),
            created: "2026-11-24T11:55:12.361687600Z".into(),
            image_name: "localhost/bb:latest".into(),
            command: ["sh", "-c", "echo out; echo err"].map(str::to_owned).to_vec(),
            ..Record::default()
        };
        Row {
            record,
            status,
            size: None,
            ports: Vec::new(),
            health: None,
            restarts: 0,
            pod_name: String::new(),
            namespaces: Default::default(),
        }
    }

    #[test]
    fn cells() {
        let row = row(Status::Created { error: String::new() });
        assert_eq!(row.id(false), "0123456789ab");
        assert_eq!(row.command(false), "sh -c echo out; e...");
        assert_eq!(row.command(true), "sh -c echo out; echo err");
        assert_eq!(row.state_text(), "Created");
        assert_eq!(row.fields(false)["CreatedAt"], "2026-11-24 11:55:12.3616876 +0000 UTC");
    }

    #[test]
    fn every_field_of_a_template_has_a_heading() {
        let Value::Object(fields) = row(Status::Created { error: String::new() }).fields(false) else {
            panic!()
        };
        for field in fields.keys() {
            assert!(HEADING.iter().any(|(name, _)| name == field), "{field}");
        }
        for (name, _) in HEADING {
            assert!(fields.contains_key(*name), "{name}");
        }
    }
}
