//! `config.dump`: a container as an archive describes it. The keys are podman's, so that either engine reads the other's, and
//! `ketch` has what podman has no key for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fingerprint::Fingerprint;
use crate::container::options::Options;
use crate::state::containers::Record;

/// Names in the archive.
pub(super) const CONFIG: &str = "config.dump";
pub(super) const SPEC: &str = "spec.dump";
pub(super) const ROOTFS: &str = "rootfs-diff.tar";
pub(super) const DELETED: &str = "deleted.files";
pub(super) const SHM: &str = "devshm-checkpoint.tar";

/// What is read of it. Nothing in it is to be trusted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Dump {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(rename = "rootfsImageID")]
    pub(super) rootfs_image_id: String,
    pub(super) rootfs_image_name: String,
    #[serde(rename = "RawImageName")]
    pub(super) raw_image_name: String,
    pub(super) command: Option<Vec<String>>,
    pub(super) entrypoint: Option<Vec<String>>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) user: String,
    pub(super) stdin: bool,
    pub(super) privileged: bool,
    pub(super) stop_signal: i32,
    pub(super) stop_timeout: u64,
    pub(super) created_time: String,
    pub(super) log_driver: String,
    /// Who can restore the images, in podman's eyes. Ours are in runc's form.
    pub(super) runtime: String,
    /// OCI's configuration as podman keeps it.
    pub(super) spec: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ketch: Option<Own>,
}

/// ketch's own part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Own {
    pub(super) fingerprint: Fingerprint,
    pub(super) options: Options,
}

impl Dump {
    pub(super) fn of(record: &Record, spec: Value, fingerprint: Fingerprint) -> Dump {
        let options = &record.options;
        Dump {
            id: record.id.clone(),
            name: record.name.clone(),
            rootfs_image_id: record.image_id.clone().unwrap_or_default(),
            rootfs_image_name: record.image_name.clone(),
            raw_image_name: options.image.clone(),
            command: Some(record.command.clone()),
            entrypoint: Some(record.entrypoint.clone()).filter(|words| !words.is_empty()),
            labels: Some(options.labels.clone()),
            user: options.user.clone().unwrap_or_default(),
            stdin: options.stdin,
            privileged: options.privileged,
            stop_signal: options.stop_signal.unwrap_or(15),
            stop_timeout: options.stop_timeout.unwrap_or(crate::container::stop::TIMEOUT),
            created_time: record.created.clone(),
            log_driver: options.log.driver.clone().unwrap_or_else(|| "k8s-file".to_owned()),
            runtime: "runc".to_owned(),
            spec: Some(spec),
            ketch: Some(Own { fingerprint, options: options.clone() }),
        }
    }
}
