//! `--filter` of `images` and `image prune`.

use anyhow::Context;
use ketch_engine::Engine;
use ketch_engine::image::Image;
use ketch_engine::image::filter::Filter;

use crate::output::{Span, moment};

/// Reads `KEY=VALUE` texts; `all` is every image, the latest first.
pub(crate) fn filters(engine: &Engine, texts: &[String], all: &[Image]) -> anyhow::Result<Vec<Filter>> {
    let mut filters = Vec::new();
    for text in texts {
        filters.push(match text.strip_prefix("until=") {
            // podman's words.
            Some(time) => Filter::until(
                moment(time, Span::Back)
                    .with_context(|| format!("failed to parse value as time or duration: {time:?}"))?,
            ),
            None => Filter::parse(engine, text, all)?,
        });
    }
    Ok(filters)
}
