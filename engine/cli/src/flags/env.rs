//! Variables, labels and annotations: `KEY=VALUE` on the command line and in files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::Defaults;

use super::values;

#[derive(Debug, clap::Args)]
pub(crate) struct EnvFlags {
    /// Set a variable (NAME=VALUE; NAME or PREFIX* takes those of the caller)
    #[arg(long, short = 'e', value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Read variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Set all variables of the caller
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    env_host: bool,
    /// Set a variable to a text with $NAME or ${NAME}, the image's variables, in it (NAME=TEXT)
    #[arg(long, value_name = "NAME=TEXT")]
    env_merge: Vec<String>,
    /// Set the caller's http_proxy and its like
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", value_parser = values::boolean)]
    http_proxy: bool,
    /// Leave out a variable that is set by default or by the image
    #[arg(long, value_name = "NAME")]
    unsetenv: Vec<String>,
    /// Leave all of these out
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    unsetenv_all: bool,
}

/// podman's list; capitals count as well.
const PROXIES: [&str; 4] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"];

/// `-e` and its like: all of the caller's with `--env-host`.
pub(super) fn given(flags: &EnvFlags) -> anyhow::Result<Vec<String>> {
    let mut env = Vec::new();
    if flags.env_host {
        variable("*", |_| None, callers, &mut env)?;
    }
    env.extend(variables(&flags.env_file, &flags.env)?);
    Ok(env)
}

/// What it starts from.
pub(super) fn defaults(flags: &EnvFlags) -> anyhow::Result<Defaults> {
    for text in &flags.env_merge {
        ensure!(text.contains('='), "missing `=` for --env-merge substitution {text}");
    }
    let is_proxy = |(name, value): &(String, String)| {
        PROXIES.contains(&name.to_ascii_lowercase().as_str()) && !value.is_empty()
    };
    let mut proxies: Vec<String> = if flags.http_proxy {
        callers().filter(is_proxy).map(|(name, value)| format!("{name}={value}")).collect()
    } else {
        Vec::new()
    };
    proxies.sort_unstable();
    Ok(Defaults {
        env: proxies,
        merge: flags.env_merge.clone(),
        unset: flags.unsetenv.clone(),
        unset_all: flags.unsetenv_all,
    })
}

fn callers() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// `--env-file`s in order, then `-e`: what comes later wins.
pub(crate) fn variables(files: &[PathBuf], given: &[String]) -> anyhow::Result<Vec<String>> {
    let host = |name: &str| std::env::var(name).ok();
    let mut env = Vec::new();
    for file in files {
        for line in lines(file)? {
            variable(&line, host, callers, &mut env).with_context(|| format!("parsing file {file:?}"))?;
        }
    }
    for text in given {
        variable(text, host, callers, &mut env)?;
    }
    Ok(env)
}

/// `NAME=VALUE` as it is; `NAME` with the caller's value, if any; `PREFIX*` all of the caller's that start so.
fn variable<I: Iterator<Item = (String, String)>>(
    text: &str,
    host: impl Fn(&str) -> Option<String>,
    all: impl Fn() -> I,
    env: &mut Vec<String>,
) -> anyhow::Result<()> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    ensure!(!name.is_empty(), "invalid variable: {text:?}");
    match (value, name.strip_suffix('*')) {
        (Some(value), _) => env.push(format!("{name}={value}")),
        (None, Some(prefix)) => {
            env.extend(
                all()
                    .filter(|(name, _)| name.starts_with(prefix))
                    .map(|(name, value)| format!("{name}={value}")),
            );
        }
        (None, None) => env.extend(host(name).map(|value| format!("{name}={value}"))),
    }
    Ok(())
}

/// `--label-file`s in order, then `--label`. A key alone has an empty value.
pub(crate) fn labels(files: &[PathBuf], given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut add = |text: &str| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        ensure!(!key.is_empty(), "invalid label format: {text:?}");
        ensure!(!key.contains(char::is_whitespace), "invalid label format: the name {key:?} has white space");
        labels.insert(key.to_owned(), value.to_owned());
        Ok(())
    };
    for file in files {
        for line in lines(file)? {
            add(&line).with_context(|| format!("parsing file {file:?}"))?;
        }
    }
    given.iter().try_for_each(|text| add(text))?;
    Ok(labels)
}

pub(super) fn annotations(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("annotations must be formatted KEY=VALUE, not {text:?}"),
    };
    given.iter().map(pair).collect()
}

/// Lines without leading blanks, empty ones and comments. Quotes mean nothing, and blanks at the end stay.
fn lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("parsing file {file:?}"))?;
    Ok(significant(&text))
}

fn significant(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_start);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// podman's results for the same file and environment.
    #[test]
    fn variables_from_a_file() {
        let text = "# c\nA=1\n B=2 \nFOO\nNOPE\nFO*\nC=\"q q\"\nD=x # y\n\nexport E=1\nF=\n";
        let host = [("FOO", "barr"), ("FOX", "2")];
        let one =
            |name: &str| host.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned());
        let all = || host.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env = Vec::new();
        for line in significant(text) {
            variable(&line, one, all, &mut env).unwrap();
        }
        assert_eq!(
            env,
            ["A=1", "B=2 ", "FOO=barr", "FOO=barr", "FOX=2", "C=\"q q\"", "D=x # y", "export E=1", "F="]
        );
        assert!(variable("=x", one, all, &mut env).is_err());
    }

    #[test]
    fn labels_and_annotations() {
        let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let got = labels(&[], &owned(&["a", "b=c=d", "a=2"])).unwrap();
        assert_eq!(
            got.into_iter().collect::<Vec<_>>(),
            [("a".into(), "2".into()), ("b".into(), "c=d".into())]
        );
        assert!(labels(&[], &owned(&["=x"])).is_err());
        assert!(labels(&[], &owned(&["c = d"])).is_err());
        assert!(annotations(&owned(&["foo"])).is_err());
        assert_eq!(annotations(&owned(&["x=y"])).unwrap()["x"], "y");
    }
}
