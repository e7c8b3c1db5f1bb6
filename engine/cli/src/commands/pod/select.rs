//! Which pods a command is about, and what is printed about them.

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use ketch_engine::Engine;
use ketch_engine::pod::MemberError;
use ketch_engine::pod::filter::Filters;
use ketch_engine::pod::status::Whole;
use ketch_engine::state::pods::{FindPodError, Pod};

use crate::commands::select::{Chosen, Selection, Source};
use crate::failure::{Failure, report};

/// A [`Selection`] with the flags of the verbs of `pod`.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("all", |arg| arg.short('a')),
    mut_arg("cidfile", |arg| arg.long("pod-id-file")),
    mut_arg("names", |arg| arg.value_name("POD"))
)]
pub(super) struct Choice {
    #[command(flatten)]
    pub(super) selection: Selection,
}

impl Choice {
    pub(super) fn find(&self, engine: &Engine) -> anyhow::Result<Vec<Chosen<Pod>>> {
        self.selection.find(&Pods(engine), "you must provide at least one name or id")
    }
}

/// All pods of an engine.
struct Pods<'a>(&'a Engine);

impl Source for Pods<'_> {
    type Item = Pod;

    fn id(pod: &Pod) -> &str {
        &pod.id
    }

    fn all(&self) -> anyhow::Result<Vec<Pod>> {
        Ok(self.0.db.pods()?)
    }

    fn latest(&self) -> anyhow::Result<Pod> {
        Ok(self.0.db.latest_pod()?)
    }

    fn find(&self, name: &str) -> anyhow::Result<Pod> {
        Ok(self.0.db.find_pod(name)?)
    }

    fn is_missing(error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(FindPodError::NotFound(_)))
    }

    fn filtered(&self, texts: &[String]) -> anyhow::Result<Vec<Pod>> {
        let filters = filters(texts)?;
        Ok(admitted(self.0, &filters)?.into_iter().map(|whole| whole.pod).collect())
    }
}

/// Reads `KEY=VALUE` texts.
pub(super) fn filters(texts: &[String]) -> anyhow::Result<Filters> {
    let mut filters = Filters::default();
    for text in texts {
        filters.add(text)?;
    }
    Ok(filters)
}

/// Those that `filters` admit, in the order of their creation.
pub(super) fn admitted(engine: &Engine, filters: &Filters) -> anyhow::Result<Vec<Whole>> {
    let mut found =
        engine.db.pods()?.into_iter().map(|pod| Whole::read(engine, pod)).collect::<Result<Vec<_>, _>>()?;
    found.retain(|whole| filters.admit(whole));
    Ok(found)
}

/// One pod, by name or `--latest`.
pub(super) fn one(engine: &Engine, name: Option<&str>, latest: bool, nothing: &str) -> anyhow::Result<Pod> {
    match (name, latest) {
        (Some(_), true) => bail!("--latest and pods cannot be used together"),
        (Some(name), false) => Ok(engine.db.find_pod(name)?),
        (None, true) => Ok(engine.db.latest_pod()?),
        (None, false) => bail!("{nothing}"),
    }
}

/// Does something to each pod and prints those of which every container came along; the errors of the others are a line
/// each. An error does not keep the other pods from their turn.
pub(super) fn each(
    chosen: &[Chosen<Pod>],
    mut shown: impl FnMut(&Chosen<Pod>) -> &str,
    mut work: impl FnMut(&Pod) -> anyhow::Result<Vec<MemberError>>,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for chosen in chosen {
        match work(&chosen.item) {
            Ok(failed) if failed.is_empty() => writeln!(std::io::stdout(), "{}", shown(chosen))?,
            Ok(failed) => failed.into_iter().for_each(|error| code = report(&error.into())),
            Err(error) => code = report(&error),
        }
    }
    Ok(code)
}

/// The id, which most verbs print.
pub(super) fn id(chosen: &Chosen<Pod>) -> &str {
    &chosen.item.id
}

/// What `start` and `stop` print, however the pod was asked for.
pub(super) fn name(chosen: &Chosen<Pod>) -> &str {
    &chosen.item.name
}

/// podman's exit code for a pod that is not there, of `rm`.
pub(super) fn no_such(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<FindPodError>() {
        Some(FindPodError::NotFound(_) | FindPodError::NoneYet) => {
            Failure { code: 1, message: error.to_string() }.into()
        }
        _ => error,
    }
}
