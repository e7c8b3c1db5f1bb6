//! `ketch manifest`: one verb a file.

use std::collections::BTreeMap;

use anyhow::Context;

use super::{Command, verb};

pub(crate) mod add;
pub(crate) mod annotate;
pub(crate) mod create;
pub(crate) mod exists;
pub(crate) mod inspect;
pub(crate) mod push;
pub(crate) mod remove;
pub(crate) mod rm;

pub(crate) const COMMANDS: &[Command] = &[
    verb!("add", "Add an image to an index", add),
    verb!("annotate", "Change what an index says of an image, or of itself", annotate),
    verb!("create", "Make an index", create),
    verb!("exists", "Say by the exit code whether an index is there", exists),
    verb!("inspect", "Show an index as JSON", inspect),
    verb!("push", "Push an index and its images to a registry", push),
    verb!("remove", "Take an image out of an index", remove),
    verb!("rm", "Remove indexes", rm),
];

/// `KEY=VALUE` each.
fn annotations(texts: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| {
        let (key, value) =
            text.split_once('=').with_context(|| format!("no value given for annotation {text:?}"))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    texts.iter().map(pair).collect()
}
