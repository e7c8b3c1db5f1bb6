//! `--filter` of `ps` and of all verbs that know it.

use anyhow::Context;
use ketch_engine::Engine;
use ketch_engine::container::filter::{Filters, Lookup};
use ketch_engine::container::{Status, status};
use ketch_engine::state::containers::Record;

use crate::output::past;

/// Reads `KEY=VALUE` texts. A container that one of them names must be there.
pub(crate) fn filters(engine: &Engine, texts: &[String]) -> anyhow::Result<Filters> {
    let mut filters = Filters::default();
    for text in texts {
        match text.strip_prefix("until=") {
            Some(until) => {
                let time =
                    past(until).with_context(|| format!("{until:?}: unable to interpret time value"))?;
                filters.set_until(time);
            }
            None => filters.add(text)?,
        }
    }
    for name in filters.neighbours() {
        engine.db.find_container(name)?;
    }
    Ok(filters)
}

/// Those that `filters` admit, running or not, in the order of their creation.
pub(super) fn admitted(engine: &Engine, filters: &Filters) -> anyhow::Result<Vec<(Record, Status)>> {
    let mut found = Vec::new();
    for record in engine.db.containers()? {
        // The row first: it costs less than to ask the kernel.
        if !filters.admit_record(&record, &Others(engine)) {
            continue;
        }
        let status = status(&engine.paths, &record.id);
        if filters.admit_status(&status) && filters.admit_health(&engine.paths, &record, &status) {
            found.push((record, status));
        }
    }
    Ok(found)
}

/// A filter names other containers, and pods, as any command does.
pub(crate) struct Others<'a>(pub(crate) &'a Engine);

impl Lookup for Others<'_> {
    fn created(&self, name: &str) -> Option<String> {
        self.0.db.find_container(name).ok().map(|record| record.created)
    }

    fn network(&self, name: &str) -> Option<String> {
        self.0.db.find_network(name).ok().map(|network| network.name)
    }

    fn pod(&self, name: &str) -> Option<String> {
        self.0.db.find_pod(name).ok().map(|pod| pod.id)
    }
}
