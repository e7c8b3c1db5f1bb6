//! `ketch healthcheck`: one verb a file.

use super::{Command, verb};

mod run;

pub(crate) const COMMANDS: &[Command] =
    &[verb!("run", "Run a container's health check, and say by the exit code how it went", run)];
