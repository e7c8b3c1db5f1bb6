//! Variables, labels and annotations: `KEY=VALUE` on the command line and in files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

/// `--env-file`s in order, then `-e`: what comes later wins.
pub(crate) fn variables(files: &[PathBuf], given: &[String]) -> anyhow::Result<Vec<String>> {
    let host = |name: &str| std::env::var(name).ok();
    let all = || {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
    };
    let mut env = Vec::new();
    for file in files {
        for line in lines(file)? {
            variable(&line, host, all, &mut env).with_context(|| format!("parsing file {file:?}"))?;
        }
    }
    for text in given {
        variable(text, host, all, &mut env)?;
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
