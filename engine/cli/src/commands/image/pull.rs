//! `ketch pull`

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use ketch_engine::image::Platform;
use ketch_engine::image::pull::{PullOptions, pull};
use ketch_engine::image::registry::{Access, Credentials, Proxy};

use super::{show, show_warning};
use crate::globals::Globals;

/// Pull images from registries
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Print the image id only
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    registry: Registry,
    /// OS/ARCH[/VARIANT] to choose where an image has several
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

/// How a registry is spoken to.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Registry {
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

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let engine = globals.engine()?;
    let platform = args.platform.map(|text| {
        Platform::parse(&text)
            .with_context(|| format!("invalid platform {text:?}: it is OS/ARCH or OS/ARCH/VARIANT"))
    });
    let options = PullOptions { access: args.registry.access()?, platform: platform.transpose()? };
    for name in &args.images {
        let id = pull(&engine, name, &options, &mut if args.quiet { show_warning } else { show })?;
        writeln!(std::io::stdout(), "{id}")?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Registry {
    pub(crate) fn access(self) -> anyhow::Result<Access> {
        let credentials = self.creds.map(|creds| {
            let (user, password) = creds.split_once(':').context("--creds is USER:PASSWORD")?;
            anyhow::Ok(Credentials { user: user.to_owned(), password: password.to_owned() })
        });
        let auth_files = match self.authfile {
            Some(path) => {
                // A file that was asked for by name has to be there.
                std::fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
                vec![path]
            }
            None => default_auth_files(),
        };
        Ok(Access {
            tls_verify: self.tls_verify,
            credentials: credentials.transpose()?,
            auth_files,
            proxy: Proxy::try_from_env(),
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
