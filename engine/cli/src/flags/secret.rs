//! `--secret NAME[,type=mount|env][,target=…][,uid=…][,gid=…][,mode=…]`.

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Secret, SecretPlace};

/// Where a file goes that has no place of its own.
const DIRECTORY: &str = "/run/secrets";
/// podman's.
const MODE: u32 = 0o444;

/// podman's words. None: an empty text, which asks for nothing.
pub(super) fn parse(text: &str) -> anyhow::Result<Option<Secret>> {
    if text.is_empty() {
        return Ok(None);
    }
    let (mut source, mut kind, mut target) = (None, "mount", None);
    let (mut uid, mut gid, mut mode) = (None, None, None);
    for (number, option) in text.split(',').enumerate() {
        let invalid = |what: &str| format!("{what} {option} invalid: parsing secret");
        match option.split_once('=') {
            None if number == 0 => source = Some(option),
            Some(("source", name)) => source = Some(name),
            Some(("type", value)) => {
                ensure!(matches!(value, "mount" | "env"), "type {value} is invalid: parsing secret");
                kind = value;
            }
            Some(("target", value)) => target = Some(value),
            Some(("uid", value)) => {
                uid =
                    Some(value.parse().ok().with_context(|| format!("UID {value} invalid: parsing secret"))?);
            }
            Some(("gid", value)) => {
                gid =
                    Some(value.parse().ok().with_context(|| format!("GID {value} invalid: parsing secret"))?);
            }
            Some(("mode", value)) => {
                let bits = u32::from_str_radix(value, 8).ok().filter(|bits| *bits <= 0o7777);
                mode = Some(bits.with_context(|| format!("mode {value} invalid: parsing secret"))?);
            }
            _ => bail!(invalid("option")),
        }
    }
    let name = source.filter(|name| !name.is_empty()).context("no source found: parsing secret")?.to_owned();
    let place = match kind {
        "env" => {
            let plain = uid.is_none() && gid.is_none() && mode.is_none();
            ensure!(plain, "UID, GID, Mode options cannot be set with secret type env: parsing secret");
            let variable = target.unwrap_or(&name);
            ensure!(
                !variable.is_empty() && !variable.contains('='),
                "target {variable} is no name of a variable"
            );
            SecretPlace::Variable(variable.to_owned())
        }
        _ => {
            let target = target.unwrap_or(&name);
            let path =
                if target.starts_with('/') { target.to_owned() } else { format!("{DIRECTORY}/{target}") };
            SecretPlace::File {
                path,
                uid: uid.unwrap_or(0),
                gid: gid.unwrap_or(0),
                mode: mode.unwrap_or(MODE),
            }
        }
    };
    Ok(Some(Secret { name, id: String::new(), place }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let file = |path: &str, uid, gid, mode| SecretPlace::File { path: path.to_owned(), uid, gid, mode };
        for (text, expected) in [
            ("s", Ok(file("/run/secrets/s", 0, 0, 0o444))),
            ("source=s,target=t,uid=3,gid=4,mode=0440", Ok(file("/run/secrets/t", 3, 4, 0o440))),
            ("s,target=/x/y,mode=400", Ok(file("/x/y", 0, 0, 0o400))),
            ("s,type=env", Ok(SecretPlace::Variable("s".to_owned()))),
            ("s,type=env,target=FOO", Ok(SecretPlace::Variable("FOO".to_owned()))),
            ("s,type=bar", Err("type bar is invalid")),
            ("s,bar=1", Err("option bar=1 invalid")),
            ("s,t", Err("option t invalid")),
            ("s,type=env,uid=1", Err("UID, GID, Mode options cannot be set with secret type env")),
            ("s,mode=9", Err("mode 9 invalid")),
            ("s,uid=x", Err("UID x invalid")),
            ("type=env", Err("no source found")),
        ] {
            match (parse(text), expected) {
                (Ok(Some(got)), Ok(place)) => assert_eq!((&*got.name, got.place), ("s", place), "{text}"),
                (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{text}: {got}"),
                (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
            }
        }
        assert!(parse("").unwrap().is_none());
    }
}
