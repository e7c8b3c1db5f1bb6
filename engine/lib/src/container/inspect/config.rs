//! `.Config`: what the process is and gets.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::network::{bindings, exposed};
use crate::container::health;
use crate::container::options::{Health, Notify, Secret, SecretPlace, Startup, TimeZone};
use crate::container::stop::TIMEOUT;
use crate::image::Image;
use crate::network::view::View;
use crate::spec;
use crate::state::containers::Record;

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    hostname: String,
    domainname: String,
    user: String,
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    open_stdin: bool,
    stdin_once: bool,
    env: Vec<String>,
    cmd: Option<Vec<String>>,
    image: String,
    volumes: Option<BTreeMap<String, Value>>,
    working_dir: String,
    entrypoint: Option<Vec<String>>,
    on_build: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Value>,
    healthcheck_on_failure_action: &'static str,
    health_max_log_count: u32,
    health_max_log_size: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    startup_health_check: Option<Value>,
    stop_signal: String,
    create_command: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    systemd_mode: Option<bool>,
    umask: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    timezone: String,
    timeout: u64,
    stop_timeout: u64,
    passwd: bool,
    #[serde(rename = "sdNotifyMode")]
    sd_notify_mode: Notify,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chroot_dirs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    exposed_ports: BTreeMap<String, Value>,
}

impl Config {
    pub(super) fn new(record: &Record, image: Option<&Image>, network: &View) -> Config {
        let options = &record.options;
        let config = image.and_then(|image| image.config.config().as_ref());
        let hostname = options.hostname.clone().unwrap_or_else(|| record.id.chars().take(12).collect());
        let workdir =
            options.workdir.clone().or_else(|| config.and_then(|config| config.working_dir().clone()));
        let signal = options.stop_signal.unwrap_or(15);
        let health = health::of(options);
        Config {
            env: spec::environment(options, config, &hostname),
            domainname: String::new(),
            user: options
                .user
                .clone()
                .or_else(|| config.and_then(|config| config.user().clone()))
                .unwrap_or_default(),
            attach_stdin: false,
            attach_stdout: false,
            attach_stderr: false,
            tty: options.terminal,
            open_stdin: options.stdin,
            stdin_once: false,
            cmd: Some(record.command.clone()).filter(|words| !words.is_empty()),
            image: record.image_name.clone(),
            volumes: None,
            working_dir: workdir.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".to_owned()),
            entrypoint: Some(record.entrypoint.clone()).filter(|words| !words.is_empty()),
            on_build: None,
            labels: Some(options.labels.clone()).filter(|labels| !labels.is_empty()),
            annotations: annotations(record),
            healthcheck: health.map(healthcheck),
            healthcheck_on_failure_action: health.map_or("none", |health| health.on_failure.name()),
            health_max_log_count: health.map_or(5, Health::log_count),
            health_max_log_size: health.map_or(500, Health::log_size),
            startup_health_check: health.and_then(|health| Some(startup(health, health.startup.as_ref()?))),
            stop_signal: signal_name(signal),
            create_command: options.create_command.clone(),
            systemd_mode: spec::is_systemd(options, config).then_some(true),
            umask: format!("{:04o}", options.umask.unwrap_or(0o022)),
            timezone: match &options.time_zone {
                None => String::new(),
                Some(TimeZone::Local) => "local".to_owned(),
                Some(TimeZone::Named(name)) => name.clone(),
            },
            timeout: options.timeout.unwrap_or(0),
            stop_timeout: options.stop_timeout.unwrap_or(TIMEOUT),
            passwd: !options.accounts.none,
            chroot_dirs: options.chroot_dirs.clone(),
            secrets: options.secrets.iter().map(secret).collect(),
            exposed_ports: exposed(options)
                .chain(bindings(network).into_keys())
                .map(|port| (port, json!({})))
                .collect(),
            sd_notify_mode: options.notify,
            hostname,
        }
    }
}

/// The user's, and those that ketch adds for the runtime.
pub(super) fn annotations(record: &Record) -> BTreeMap<String, String> {
    let options = &record.options;
    spec::annotations(options, options.stop_signal.unwrap_or(15)).into_iter().collect()
}

/// As an image has it, but that nothing is left out that has a default.
fn healthcheck(health: &Health) -> Value {
    json!({
        "Test": health.words(),
        "StartPeriod": health.start_period(),
        "Interval": health.interval(),
        "Timeout": health.timeout(),
        "Retries": health.retries(),
    })
}

/// What is known of it, which is not what is in it.
fn secret(secret: &Secret) -> Value {
    let (uid, gid, mode) = match secret.place {
        SecretPlace::File { uid, gid, mode, .. } => (uid, gid, mode),
        SecretPlace::Variable(_) => (0, 0, 0),
    };
    json!({"Name": secret.name, "ID": secret.id, "UID": uid, "GID": gid, "Mode": mode})
}

fn startup(health: &Health, startup: &Startup) -> Value {
    json!({
        "Test": startup.test,
        "Interval": startup.interval.unwrap_or(health.interval()),
        "Timeout": startup.timeout.unwrap_or(health.timeout()),
        "Retries": startup.retries,
        "Successes": startup.successes,
    })
}

fn signal_name(number: i32) -> String {
    match nix::sys::signal::Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) if (34..=64).contains(&number) => format!("SIGRTMIN+{}", number - 34),
        Err(_) => number.to_string(),
    }
}
