//! The containers that a command is about: one, or with `--regex` all whose ids match.

use anyhow::{Context, bail};
use ketch_runtime::causes;
use ketch_runtime::container::list::ids;
use regex_lite::Regex;

use crate::globals::Globals;

/// Does `one` to the container `word`, or with `regex` to every one whose id the expression `word` is found in, as with crun:
/// none is no error, and those after one that fails have their turn too.
pub(crate) fn each(
    globals: &Globals,
    word: &str,
    regex: bool,
    one: impl Fn(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if !regex {
        return one(word);
    }
    let pattern = Regex::new(word).with_context(|| format!("{word:?} is no regular expression"))?;
    let root = globals.root();
    let ids = match ids(&root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        ids => ids.with_context(|| format!("cannot list the containers below {}", root.display()))?,
    };
    let chosen = ids.iter().filter(|id| pattern.is_match(id));
    let failed: Vec<String> =
        chosen.filter_map(|id| Some(format!("{id}: {}", causes::line(one(id).err()?.as_ref())))).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => bail!(failed.join("; ")),
    }
}
