//! `ketch logout`

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use ketch_engine::image::registry::{auth_file, find_login};

use super::login::{Place, check_files};
use crate::flags::{Connection, Retry, own_auth_file};
use crate::globals::Globals;

/// Forget the login of a registry
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// Forget all logins
    #[arg(long, short)]
    all: bool,
    /// File that the login is kept in [default: $REGISTRY_AUTH_FILE, or containers/auth.json in the runtime directory]
    #[arg(long, value_name = "PATH")]
    authfile: Option<PathBuf>,
    /// The same, a config.json of docker's
    #[arg(long, value_name = "PATH")]
    compat_auth_file: Option<PathBuf>,
    registry: Option<String>,
}

pub(crate) fn run(_globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    check_files(args.authfile.as_ref(), args.compat_auth_file.as_ref())?;
    let mut out = std::io::stdout();
    if args.all {
        ensure!(args.registry.is_none(), "--all takes no arguments");
        let file = args.compat_auth_file.or(args.authfile).unwrap_or_else(own_auth_file);
        auth_file::remove_all(&file)?;
        writeln!(out, "Removed login credentials for all registries")?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(registry) = &args.registry else { bail!("a registry must be provided") };
    let is_default = args.authfile.is_none() && args.compat_auth_file.is_none();
    let place = Place::of(registry, args.authfile, args.compat_auth_file);
    let Place { key, file } = &place;
    if auth_file::remove(file, key)? {
        writeln!(out, "Removed login credentials for {key}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let access = Connection::default().access(&Retry::default())?;
    if is_default && find_login(&access, key)?.is_some() {
        writeln!(
            out,
            "Not logged into {key} with current tool. Existing credentials were established via another one's login, or for a part of the name."
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    bail!("not logged into {key}")
}
