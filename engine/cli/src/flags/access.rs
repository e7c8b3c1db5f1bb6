//! How a registry is spoken to.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use ketch_engine::image::policy::Policy;
use ketch_engine::image::registries::Registries;
use ketch_engine::image::registry::{Access, Credentials, Proxy};

use crate::output::length;

/// What every verb that speaks to a registry takes.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Connection {
    /// File with logins [default: $REGISTRY_AUTH_FILE, containers' auth.json, docker's config.json]
    #[arg(long, value_name = "PATH")]
    pub(crate) authfile: Option<PathBuf>,
    /// Directory with the registry's authorities (*.crt) and the client's own certificate and key (*.cert, *.key)
    #[arg(long, value_name = "DIR")]
    pub(crate) cert_dir: Option<PathBuf>,
    /// USER:PASSWORD to log in with
    #[arg(long, value_name = "USER:PASSWORD")]
    pub(crate) creds: Option<String>,
    /// Require HTTPS and check certificates [default: true, except for registries on loopback]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub(crate) tls_verify: Option<bool>,
}

/// How often it is asked again.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Retry {
    /// How often a request that the registry fails to answer is made again [default: 3]
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// The wait before that (5s, 1m); otherwise half a second, doubled each time
    #[arg(long, value_name = "DURATION")]
    retry_delay: Option<String>,
}

impl Retry {
    /// None: the engine's own.
    pub(crate) fn delay(&self) -> anyhow::Result<Option<Duration>> {
        let Some(text) = self.retry_delay.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        length(text).map(Some).with_context(|| format!("invalid duration {text:?} for --retry-delay"))
    }
}

/// The policy of this file, which has to be there, or of the host.
pub(crate) fn policy(file: Option<&Path>) -> anyhow::Result<Policy> {
    let Some(file) = file else { return Ok(Policy::read(&policy_files())?) };
    std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Policy::read(&[file.to_owned()])?)
}

impl Connection {
    fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let Some(creds) = &self.creds else { return Ok(None) };
        let (user, password) = creds.split_once(':').context("--creds is USER:PASSWORD")?;
        Ok(Some(Credentials::new(user.to_owned(), password.to_owned())))
    }

    /// A file that was asked for by name has to be there.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.credentials()?;
        let Some(path) = &self.authfile else { return Ok(()) };
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(())
    }

    pub(crate) fn access(&self, retry: &Retry) -> anyhow::Result<Access> {
        self.check()?;
        let auth_files = match &self.authfile {
            Some(path) => vec![path.clone()],
            None => default_auth_files(),
        };
        Ok(Access {
            registries: Registries::read(&registries_files()?)?,
            policy: Policy::read(&policy_files())?,
            tls_verify: self.tls_verify,
            credentials: self.credentials()?,
            auth_files,
            proxy: Proxy::try_from_env(),
            certificates: self.cert_dir.clone(),
            certificate_homes: certificate_homes(),
            retries: retry.retry,
            retry_delay: retry.delay()?,
        })
    }
}

/// Where containers-registries.conf(5) is, the first file and those that add to it.
fn registries_files() -> anyhow::Result<Vec<PathBuf>> {
    let of_user = config_home().map(|home| home.join("containers/registries.conf"));
    let first = match variable("CONTAINERS_REGISTRIES_CONF").or_else(|| variable("REGISTRIES_CONFIG_PATH")) {
        Some(path) => {
            // A file that was asked for by name has to be there.
            std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
            Some(path)
        }
        None => {
            let of_all = ["/etc/containers/registries.conf", "/usr/share/containers/registries.conf"];
            let files = of_user.clone().into_iter().chain(of_all.map(PathBuf::from));
            files.into_iter().find(|path| path.exists())
        }
    };
    let of_all =
        ["/usr/share/containers/registries.conf.d".into(), "/etc/containers/registries.conf.d".into()];
    let of_user = of_user.map(|path| path.with_extension("conf.d"));
    let mut files: Vec<PathBuf> = first.into_iter().collect();
    for directory in of_all.into_iter().chain(of_user) {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut more: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        more.sort();
        files.extend(more);
    }
    Ok(files)
}

/// Where containers-policy.json(5) is.
pub(crate) fn policy_files() -> Vec<PathBuf> {
    let of_user = config_home().map(|home| home.join("containers/policy.json"));
    of_user.into_iter().chain(["/etc/containers/policy.json".into()]).collect()
}

fn config_home() -> Option<PathBuf> {
    variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")))
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Where podman and docker keep registries' certificates (containers-certs.d(5)).
fn certificate_homes() -> Vec<PathBuf> {
    let of_user = config_home().map(|config| config.join("containers/certs.d"));
    let of_all = ["/etc/containers/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    of_user.into_iter().chain(of_all).collect()
}

/// Where `login` writes when it is not told: the first of those that are read.
pub(crate) fn own_auth_file() -> PathBuf {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return file;
    }
    match variable("XDG_RUNTIME_DIR") {
        Some(runtime) => runtime.join("containers/auth.json"),
        None => format!("/run/containers/{}/auth.json", nix::unistd::Uid::current()).into(),
    }
}

/// `ketch --config`.
static DOCKER: OnceLock<PathBuf> = OnceLock::new();

/// Where docker's config.json is looked for, in place of `$DOCKER_CONFIG`.
pub(crate) fn set_docker_config(dir: &Path) {
    // There is one command line.
    let _ = DOCKER.set(dir.to_owned());
}

/// Where podman and docker keep logins, in podman's order (containers-auth.json(5)).
fn default_auth_files() -> Vec<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = variable("HOME");
    let config = config_home();
    let docker = DOCKER
        .get()
        .cloned()
        .or_else(|| variable("DOCKER_CONFIG"))
        .or_else(|| home.map(|home| home.join(".docker")));
    [
        Some(own_auth_file()),
        Some(PathBuf::from("/run/containers/0/auth.json")),
        config.map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
