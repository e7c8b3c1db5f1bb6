//! `ketch secret inspect`

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

use anyhow::ensure;
use ketch_engine::container::inspect::go_time;
use ketch_engine::secret::{FindSecretError, Secret, data};
use ketch_engine::{Engine, Paths};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::globals::Globals;
use crate::output::{Format, pretty};

/// Show all about secrets as JSON
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long, short)]
    format: Option<String>,
    /// Lines for people instead
    #[arg(long)]
    pretty: bool,
    /// Show what is secret about them
    #[arg(long)]
    showsecret: bool,
    #[arg(value_name = "SECRET", required = true)]
    secrets: Vec<String>,
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    ensure!(!args.pretty || args.format.is_none(), "--pretty and --format cannot be used together");
    let engine = globals.engine()?;
    let (mut found, mut failed) = (Vec::new(), None);
    for name in &args.secrets {
        match engine.db.find_secret(name) {
            Ok(secret) => found.push(secret),
            Err(error @ FindSecretError::State(_)) => return Err(error.into()),
            Err(error) => {
                let message = format!("inspecting secret: {error}");
                failed = Some(Failure { code: 125, message }.after(failed));
            }
        }
    }
    std::io::stdout().write_all(text(&engine, &args, &found)?.as_bytes())?;
    failed.map_or(Ok(ExitCode::SUCCESS), |failure| Err(failure.into()))
}

fn text(engine: &Engine, args: &Args, secrets: &[Secret]) -> anyhow::Result<String> {
    let mut documents = Vec::new();
    for secret in secrets {
        let mut document = document(&engine.paths, secret);
        if args.showsecret {
            let data = data(&engine.paths, &secret.id)?;
            document["SecretData"] = String::from_utf8_lossy(&data).into();
        }
        documents.push(document);
    }
    match args.format.as_deref() {
        _ if args.pretty => Ok(secrets.iter().zip(&documents).map(lines).collect()),
        None | Some("json") => Ok(pretty(&documents, 4)? + "\n"),
        Some(template) => Format::parse("secret inspect", template)?.render(&documents, None),
    }
}

/// podman's document.
pub(super) fn document(paths: &Paths, secret: &Secret) -> Value {
    json!({
        "ID": secret.id,
        "CreatedAt": go_time(&secret.created),
        "UpdatedAt": go_time(&secret.updated),
        "Spec": {
            "Name": secret.name,
            "Driver": {"Name": "file", "Options": {"path": paths.secrets()}},
            "Labels": secret.labels,
        },
    })
}

/// podman's columns, as uneven as they are.
fn lines((secret, document): (&Secret, &Value)) -> String {
    let time =
        |time: &str| format!("{} +0000 UTC", go_time(time).trim_end_matches('Z').replacen('T', " ", 1));
    let mut text = format!("ID:              {}\nName:              {}\n", secret.id, secret.name);
    for (key, value) in &secret.labels {
        let _ = writeln!(text, "Labels:\n - {key}={value}");
    }
    let _ = write!(
        text,
        "Driver:            file\nCreated at:        {}\nUpdated at:        {}\n",
        time(&secret.created),
        time(&secret.updated)
    );
    if let Some(data) = document["SecretData"].as_str() {
        let _ = writeln!(text, "Secret:            {data}");
    }
    text
}
