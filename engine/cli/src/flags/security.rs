//! `--security-opt`.

use anyhow::{Context, bail};
use ketch_engine::container::options::{Seccomp, Security};

use super::values::boolean;

pub(super) fn parse(given: &[String]) -> anyhow::Result<Security> {
    let mut security = Security::default();
    for option in given {
        apply(option, &mut security)?;
    }
    Ok(security)
}

/// One option; `:` is the older spelling of `=`.
fn apply(option: &str, security: &mut Security) -> anyhow::Result<()> {
    let (key, value) = match option.split_once(['=', ':']) {
        Some((key, value)) => (key, Some(value)),
        None => (option, None),
    };
    match (key, value) {
        ("no-new-privileges", value) => {
            let value = boolean(value.unwrap_or("true")).map_err(anyhow::Error::msg);
            security.no_new_privileges = value.with_context(|| format!("--security-opt {option}"))?;
        }
        ("seccomp", Some("unconfined")) => security.seccomp = Seccomp::Unconfined,
        ("seccomp", Some(file)) if !file.is_empty() => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("opening seccomp profile {file:?} failed"))?;
            security.seccomp = Seccomp::Profile(text);
        }
        ("apparmor", Some(profile)) if !profile.is_empty() => security.apparmor = Some(profile.to_owned()),
        ("mask", Some(paths)) => security.mask.extend(split(paths, option)?),
        ("unmask", Some(paths)) => security.unmask.extend(split(paths, option)?),
        ("systempaths", Some("unconfined")) => security.unmask.push("ALL".to_owned()),
        // Containers get no SELinux label, which is what this asks for.
        ("label", Some("disable")) => {}
        ("label", Some(label)) => {
            bail!("SELinux label {label:?} is not available: this version has label=disable")
        }
        _ => bail!("invalid --security-opt: {option:?}"),
    }
    Ok(())
}

/// Absolute paths with colons between them, or ALL.
fn split(paths: &str, option: &str) -> anyhow::Result<Vec<String>> {
    let good = |path: &str| path.starts_with('/') || path.eq_ignore_ascii_case("all");
    let list: Vec<String> = paths.split(':').map(str::to_owned).collect();
    match list.iter().find(|path| !good(path)) {
        Some(path) => bail!("--security-opt {option}: {path:?} must be an absolute path"),
        None => Ok(list),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let with = |change: fn(&mut Security)| {
            let mut security = Security::default();
            change(&mut security);
            Ok(security)
        };
        let cases: Vec<(&str, Result<Security, &str>)> = vec![
            ("no-new-privileges", with(|s| s.no_new_privileges = true)),
            ("no-new-privileges:true", with(|s| s.no_new_privileges = true)),
            ("no-new-privileges=false", with(|_| {})),
            ("seccomp=unconfined", with(|s| s.seccomp = Seccomp::Unconfined)),
            ("label=disable", with(|_| {})),
            ("label:disable", with(|_| {})),
            ("mask=/a:/b", with(|s| s.mask = vec!["/a".to_owned(), "/b".to_owned()])),
            ("unmask=ALL", with(|s| s.unmask = vec!["ALL".to_owned()])),
            ("systempaths=unconfined", with(|s| s.unmask = vec!["ALL".to_owned()])),
            ("apparmor=strict", with(|s| s.apparmor = Some("strict".to_owned()))),
            ("mask=a", Err("\"a\" must be an absolute path")),
            ("label=type:x", Err("SELinux label \"type:x\" is not available")),
            ("seccomp=/nope/profile.json", Err("opening seccomp profile")),
            ("seccomp=", Err("invalid --security-opt")),
            ("bogus", Err("invalid --security-opt: \"bogus\"")),
            ("bogus=x", Err("invalid --security-opt: \"bogus=x\"")),
            ("no-new-privileges=maybe", Err("no-new-privileges=maybe")),
        ];
        for (option, expected) in cases {
            match (parse(&[option.to_owned()]), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{option}"),
                (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{option}: {got}"),
                (got, expected) => panic!("{option}: {got:?}, not {expected:?}"),
            }
        }
    }
}
