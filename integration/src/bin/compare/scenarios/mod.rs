//! The table of scenarios: lines that share a container or a subject, played in order on each engine.

mod images;
mod lifecycle;
mod options;
mod run;
mod show;

pub(crate) const IMAGE: &str = "docker.io/library/busybox:latest";

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// See `Engine::line` for what may stand in them.
    pub(crate) lines: &'static [&'static str],
}

pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [run::SCENARIOS, options::SCENARIOS, lifecycle::SCENARIOS, show::SCENARIOS, images::SCENARIOS]
        .into_iter()
        .flatten()
}
