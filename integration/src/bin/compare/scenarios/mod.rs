//! The table of scenarios: lines that share a container or a subject, played in order on each engine.

mod images;
mod lifecycle;
mod network;
mod options;
mod pod;
mod run;
mod show;
mod volume;
mod watch;

pub(crate) const IMAGE: &str = "docker.io/library/busybox:latest";

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// See `Engine::line` for what may stand in them.
    pub(crate) lines: &'static [&'static str],
}

pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        run::SCENARIOS,
        options::SCENARIOS,
        lifecycle::SCENARIOS,
        show::SCENARIOS,
        images::SCENARIOS,
        volume::SCENARIOS,
        network::SCENARIOS,
        pod::SCENARIOS,
        watch::SCENARIOS,
    ]
    .into_iter()
    .flatten()
}
