//! Which things a command is about: names and ids, `--all`, `--latest`, `--filter`, files with ids. The same for
//! whatever has a [`Source`].

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};

/// A verb flattens this into its arguments. podman's short flags differ from verb to verb: a verb adds its own with
/// `#[command(mut_arg("all", |arg| arg.short('a')))]`, and renames the operand or the file's flag in the same way.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Selection {
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// Read an id from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Vec<PathBuf>,
    /// Those that KEY=VALUE is true of, as with `ps`
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Pass over those that do not exist
    #[arg(long)]
    pub(crate) ignore: bool,
    /// The one that was created last
    #[arg(long, short)]
    pub(crate) latest: bool,
    #[arg(value_name = "CONTAINER")]
    pub(crate) names: Vec<String>,
}

/// Where things are found.
pub(crate) trait Source {
    type Item;

    fn id(item: &Self::Item) -> &str;

    /// In the order of their creation.
    fn all(&self) -> anyhow::Result<Vec<Self::Item>>;

    fn latest(&self) -> anyhow::Result<Self::Item>;

    /// By name or id.
    fn find(&self, name: &str) -> anyhow::Result<Self::Item>;

    /// Whether an error of `find` says that there is no such thing.
    fn is_missing(error: &anyhow::Error) -> bool;

    /// Those that all of the filters, `KEY=VALUE` each, admit.
    fn filtered(&self, filters: &[String]) -> anyhow::Result<Vec<Self::Item>>;
}

/// A thing and the name it was asked for by, which is what is printed about it.
#[derive(Debug)]
pub(crate) struct Chosen<T> {
    pub(crate) shown: String,
    pub(crate) item: T,
}

impl Selection {
    /// Looks all of them up before anything is done to the first, as podman does. `nothing` is said when nothing was asked
    /// for.
    pub(crate) fn find<S: Source>(&self, source: &S, nothing: &str) -> anyhow::Result<Vec<Chosen<S::Item>>> {
        let by_id = |item| Chosen { shown: S::id(&item).to_owned(), item };
        if !self.cidfile.is_empty() {
            ensure!(!self.all && !self.latest, "--all, --latest, and --cidfile cannot be used together");
        }
        ensure!(!(self.latest && self.all), "--all and --latest cannot be used together");
        ensure!(!self.latest || self.names.is_empty(), "--latest and containers cannot be used together");
        ensure!(!self.all || self.names.is_empty(), "no arguments are needed with --all");
        if !self.filter.is_empty() {
            ensure!(self.names.is_empty() && self.cidfile.is_empty(), "--filter takes no arguments");
            ensure!(!self.latest, "--filter and --latest cannot be used together");
            return Ok(source.filtered(&self.filter)?.into_iter().map(by_id).collect());
        }
        if self.all {
            return Ok(source.all()?.into_iter().map(by_id).collect());
        }
        if self.latest {
            return Ok(vec![by_id(source.latest()?)]);
        }
        if self.names.is_empty() && self.cidfile.is_empty() {
            bail!("{nothing}");
        }
        let mut found = Vec::new();
        for name in self.of_files()?.iter().chain(&self.names) {
            ensure!(!name.is_empty(), "name or ID cannot be empty");
            match source.find(name) {
                Ok(item) => found.push(Chosen { shown: name.clone(), item }),
                Err(error) if self.ignore && S::is_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The first line of each file.
    fn of_files(&self) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        for path in &self.cidfile {
            match std::fs::read_to_string(path) {
                Ok(text) => ids.push(text.lines().next().unwrap_or_default().trim().to_owned()),
                Err(error) if self.ignore && error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("reading CIDFile: open {}", path.display()));
                }
            }
        }
        Ok(ids)
    }
}

/// Does something to each and prints the names of those that it was done to. An error does not keep the others from
/// their turn: each gets a line, and the last one decides the exit code.
pub(crate) fn each<T>(
    chosen: Vec<Chosen<T>>,
    mut work: impl FnMut(&T) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let mut failed: Option<anyhow::Error> = None;
    for Chosen { shown, item } in chosen {
        match work(&item) {
            Ok(()) => writeln!(std::io::stdout(), "{shown}")?,
            Err(error) => {
                if let Some(earlier) = failed.replace(error) {
                    crate::failure::report(&earlier);
                }
            }
        }
    }
    failed.map_or(Ok(ExitCode::SUCCESS), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Letters;

    impl Source for Letters {
        type Item = &'static str;

        fn id(item: &&'static str) -> &'static str {
            item
        }

        fn all(&self) -> anyhow::Result<Vec<&'static str>> {
            Ok(vec!["a", "b"])
        }

        fn latest(&self) -> anyhow::Result<&'static str> {
            Ok("b")
        }

        fn find(&self, name: &str) -> anyhow::Result<&'static str> {
            ["a", "b"].into_iter().find(|letter| *letter == name).with_context(|| format!("no {name}"))
        }

        fn is_missing(error: &anyhow::Error) -> bool {
            error.to_string().starts_with("no ")
        }

        fn filtered(&self, filters: &[String]) -> anyhow::Result<Vec<&'static str>> {
            Ok(vec!["a"; filters.len()])
        }
    }

    #[derive(Debug, clap::Parser)]
    #[command(mut_arg("all", |arg| arg.short('a')), mut_arg("filter", |arg| arg.short('f')))]
    struct Args {
        #[command(flatten)]
        selection: Selection,
    }

    #[test]
    fn selections() {
        let dir = std::env::temp_dir().join(format!("ketch-select-{}", std::process::id()));
        std::fs::write(&dir, "b\n").expect("a temporary file");
        let file = format!("--cidfile={}", dir.display());
        for (words, expected) in [
            (&["a"][..], Ok("a")),
            (&["b", "a"], Ok("b a")),
            (&["-a"], Ok("a b")),
            (&["-l"], Ok("b")),
            (&["-f", "x=y"], Ok("a")),
            (&["-a", "-f", "x=y"], Ok("a")),
            (&[&file], Ok("b")),
            (&[&file, "a"], Ok("b a")),
            (&["--cidfile=/nope", "--ignore"], Ok("")),
            (&["c", "a", "--ignore"], Ok("a")),
            (&["c", "a"], Err("no c")),
            (&["--cidfile=/nope"], Err("reading CIDFile: open /nope")),
            (&[], Err("nothing")),
            (&[""], Err("name or ID cannot be empty")),
            (&["-a", "a"], Err("no arguments are needed with --all")),
            (&["-a", "-l"], Err("--all and --latest cannot be used together")),
            (&["-l", "a"], Err("--latest and containers cannot be used together")),
            (&["-f", "x=y", "a"], Err("--filter takes no arguments")),
            (&["-a", &file], Err("--all, --latest, and --cidfile cannot be used together")),
        ] {
            let args = <Args as clap::Parser>::try_parse_from([&["x"], words].concat()).expect("known flags");
            let found = args.selection.find(&Letters, "nothing").map(|chosen| {
                chosen.iter().map(|chosen| chosen.shown.as_str()).collect::<Vec<_>>().join(" ")
            });
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(|error| &**error), expected, "{words:?}");
        }
        std::fs::remove_file(dir).expect("it is there");
    }
}
