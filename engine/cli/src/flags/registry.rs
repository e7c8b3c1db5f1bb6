//! How a registry is spoken to.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use ketch_engine::image::Platform;
use ketch_engine::image::registry::{Access, Credentials, Proxy};

use crate::output::length;

/// How a registry is spoken to, and which of an image's platforms is taken.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Registry {
    /// Processor to choose where an image has several
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
    /// Certificates: not available
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// Key of an encrypted image: not available
    #[arg(long, value_name = "KEY")]
    decryption_key: Vec<String>,
    /// docker's; it has no effect
    #[arg(long, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, action = clap::ArgAction::Set)]
    disable_content_trust: bool,
    /// Operating system to choose where an image has several
    #[arg(long, value_name = "OS")]
    os: Option<String>,
    /// OS/ARCH[/VARIANT] to choose where an image has several
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// How often a request that the registry fails to answer is made again [default: 3]
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// The wait before that (5s, 1m); otherwise half a second, doubled each time
    #[arg(long, value_name = "DURATION")]
    retry_delay: Option<String>,
    /// Variant of the processor to choose where an image has several
    #[arg(long, value_name = "VARIANT")]
    variant: Option<String>,
    /// Require HTTPS and check certificates [default: true, except for registries on loopback]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    tls_verify: Option<bool>,
    /// USER:PASSWORD to log in with
    #[arg(long, value_name = "USER:PASSWORD")]
    creds: Option<String>,
    /// File with logins [default: $REGISTRY_AUTH_FILE, containers' auth.json, docker's config.json]
    #[arg(long, value_name = "PATH")]
    authfile: Option<PathBuf>,
}

impl Registry {
    /// What was asked for; None: this machine's.
    pub(crate) fn platform(&self) -> anyhow::Result<Option<Platform>> {
        let parts =
            [&self.arch, &self.os, &self.variant].map(|part| part.clone().filter(|text| !text.is_empty()));
        if let Some(text) = self.platform.as_deref().filter(|text| !text.is_empty()) {
            let [arch, os, _] = &parts;
            ensure!(
                arch.is_none() && os.is_none(),
                "--platform option can not be specified with --arch or --os"
            );
            return Platform::parse(text)
                .with_context(|| format!("invalid platform {text:?}: it is OS/ARCH or OS/ARCH/VARIANT"))
                .map(Some);
        }
        if parts.iter().all(Option::is_none) {
            return Ok(None);
        }
        let [arch, os, variant] = parts;
        let host = Platform::host();
        let variant = variant.or_else(|| host.variant.filter(|_| arch.is_none()));
        Ok(Some(Platform {
            os: os.unwrap_or(host.os),
            architecture: arch.unwrap_or(host.architecture),
            variant,
        }))
    }

    pub(crate) fn access(&self) -> anyhow::Result<Access> {
        ensure!(
            self.cert_dir.is_none(),
            "--cert-dir is not available: put the registry's certificate authority into the host's, or use --tls-verify=false"
        );
        ensure!(
            self.decryption_key.is_empty(),
            "--decryption-key is not available: encrypted layers are not supported"
        );
        let credentials = self.creds.as_ref().map(|creds| {
            let (user, password) = creds.split_once(':').context("--creds is USER:PASSWORD")?;
            anyhow::Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
        });
        let auth_files = match &self.authfile {
            Some(path) => {
                // A file that was asked for by name has to be there.
                std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
                vec![path.clone()]
            }
            None => default_auth_files(),
        };
        Ok(Access {
            tls_verify: self.tls_verify,
            credentials: credentials.transpose()?,
            auth_files,
            proxy: Proxy::try_from_env(),
            retries: self.retry,
            retry_delay: self
                .retry_delay
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(|text| {
                    length(text).with_context(|| format!("invalid duration {text:?} for --retry-delay"))
                })
                .transpose()?,
        })
    }
}

/// Where podman and docker keep logins, in podman's order (containers-auth.json(5)).
fn default_auth_files() -> Vec<PathBuf> {
    let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = path("REGISTRY_AUTH_FILE") {
        return vec![file];
    }
    let home = path("HOME");
    let runtime = path("XDG_RUNTIME_DIR").unwrap_or_else(|| "/run/containers/0".into());
    let config = path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
    let docker = path("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
    [
        Some(runtime.join("containers/auth.json")),
        Some(PathBuf::from("/run/containers/0/auth.json")),
        config.map(|dir| dir.join("containers/auth.json")),
        docker.map(|dir| dir.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}
