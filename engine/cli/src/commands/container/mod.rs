//! `ketch container`: one verb a file.

use super::Command;

pub(crate) const COMMANDS: &[Command] = &[];
