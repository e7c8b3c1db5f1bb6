//! `ketch version`

use std::io::Write;
use std::process::ExitCode;

use ketch_engine::info::Version;
use serde_json::json;

use crate::globals::{Globals, VERSION};
use crate::output::Format;

/// Show ketch's version
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// A Go template, or json
    #[arg(long, short)]
    format: Option<String>,
}

pub(crate) fn run(_: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    // There is no server, which podman has as null.
    let document = json!({ "Client": Version::new(VERSION) });
    let text = match args.format.as_deref() {
        Some("json") => format!("{document}\n"),
        Some(template) => {
            let mut document = document;
            document["Server"] = serde_json::Value::Null;
            Format::parse("version", template)?.render(&[document], None)?
        }
        None => {
            let field = |name: &str| document["Client"][name].as_str().unwrap_or_default();
            format!(
                "Client:       ketch Engine\nVersion:      {}\nAPI Version:  {}\nOS/Arch:      {}\n",
                field("Version"),
                field("APIVersion"),
                field("OsArch")
            )
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
