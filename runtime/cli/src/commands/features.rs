use std::process::ExitCode;

use serde_json::{Value, json};

use crate::globals::Globals;
use crate::report;

/// Print as JSON what this runtime can do (runtime-spec, features.md)
#[derive(Debug, clap::Parser)]
pub struct Args {}

/// The newest version of the specification whose fields are all carried out or refused.
pub const SPEC_VERSION: &str = "1.2.1";

pub fn run(_globals: &Globals, _args: Args) -> anyhow::Result<ExitCode> {
    report::print(&(serde_json::to_string_pretty(&features())? + "\n"))?;
    Ok(ExitCode::SUCCESS)
}
fn features() -> Value {
    json!({})
}
