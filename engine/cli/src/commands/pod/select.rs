//! Which pods a command is about, and what is printed about them.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use ketch_engine::Engine;
use ketch_engine::pod::MemberError;
use ketch_engine::state::pods::{FindPodError, Pod};

use crate::failure::{Failure, report};

/// How pods can be asked for: to be flattened into a verb's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// All pods
    #[arg(long, short)]
    pub(super) all: bool,
    /// The pod that was created last
    #[arg(long, short)]
    latest: bool,
    #[arg(value_name = "POD")]
    pods: Vec<String>,
}

/// A pod and the name it was asked for by.
pub(super) struct Chosen {
    pub(super) shown: String,
    pub(super) pod: Pod,
}

impl Chosen {
    fn by_id(pod: Pod) -> Chosen {
        Chosen { shown: pod.id.clone(), pod }
    }
}

impl Selection {
    /// Looks all of them up before anything is done to the first.
    pub(super) fn find(&self, engine: &Engine) -> anyhow::Result<Vec<Chosen>> {
        self.find_with(engine, &[], false)
    }

    /// The same with the ids in `id_files`; with `ignore` a name that leads nowhere is passed over.
    pub(super) fn find_with(
        &self,
        engine: &Engine,
        id_files: &[PathBuf],
        ignore: bool,
    ) -> anyhow::Result<Vec<Chosen>> {
        let mut names = self.pods.clone();
        ensure!(!(self.latest && self.all), "--all and --latest cannot be used together");
        for path in id_files {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the pod's id from {}", path.display()))?;
            names.push(text.lines().next().unwrap_or_default().to_owned());
        }
        ensure!(!self.latest || names.is_empty(), "--latest and pods cannot be used together");
        ensure!(!self.all || names.is_empty(), "no arguments are needed with --all");
        if self.all {
            return Ok(engine.db.pods()?.into_iter().map(Chosen::by_id).collect());
        }
        if self.latest {
            return Ok(vec![Chosen::by_id(engine.db.latest_pod()?)]);
        }
        ensure!(!names.is_empty(), "you must provide at least one name or id");
        let mut found = Vec::new();
        for name in names {
            match engine.db.find_pod(&name) {
                Ok(pod) => found.push(Chosen { shown: name, pod }),
                Err(FindPodError::NotFound(_)) if ignore => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
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
    chosen: &[Chosen],
    mut shown: impl FnMut(&Chosen) -> &str,
    mut work: impl FnMut(&Pod) -> anyhow::Result<Vec<MemberError>>,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for chosen in chosen {
        match work(&chosen.pod) {
            Ok(failed) if failed.is_empty() => writeln!(std::io::stdout(), "{}", shown(chosen))?,
            Ok(failed) => failed.into_iter().for_each(|error| code = report(&error.into())),
            Err(error) => code = report(&error),
        }
    }
    Ok(code)
}

/// The id, which most verbs print.
pub(super) fn id(chosen: &Chosen) -> &str {
    &chosen.pod.id
}

/// What `start` and `stop` print.
pub(super) fn as_asked(chosen: &Chosen) -> &str {
    &chosen.shown
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
