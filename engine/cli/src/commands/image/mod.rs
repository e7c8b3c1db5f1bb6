//! `ketch image`: one verb a file.

use super::Command;

pub(crate) const COMMANDS: &[Command] = &[];
