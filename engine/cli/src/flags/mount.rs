//! `--mount type=…,…` and `--tmpfs PATH[:OPTIONS]`.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Mount, MountKind};

use super::values::boolean;
use super::volume::{absolute, add_option, check_conflicts, is_volume, named};

pub(super) fn parse(text: &str) -> anyhow::Result<Mount> {
    mount(text).with_context(|| format!("--mount {text}"))
}

fn mount(text: &str) -> anyhow::Result<Mount> {
    let fields = fields(text)?;
    let mut kind = "volume";
    let mut source = None;
    let mut destination = None;
    let mut rest = Vec::new();
    for field in &fields {
        let (key, value) =
            field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        match (key, value) {
            ("type", Some(value)) => kind = value,
            ("src" | "source", Some(value)) => source = Some((key, value)),
            ("dst" | "target" | "destination", Some(value)) => destination = Some(value),
            _ => rest.push((key, value)),
        }
    }
    let destination = destination.filter(|path| !path.is_empty()).context("must set volume destination")?;
    absolute(destination)?;

    let mut mount = Mount {
        kind: kind_of(kind, source, destination)?,
        destination: destination.to_owned(),
        options: Vec::new(),
        chown: false,
        no_copy: false,
    };
    rest.into_iter().try_for_each(|(key, value)| apply(&mut mount, key, value))?;
    check_conflicts(&mount.options)?;
    Ok(mount)
}

fn kind_of(kind: &str, source: Option<(&str, &str)>, destination: &str) -> anyhow::Result<MountKind> {
    match (kind, source) {
        // Without a source podman takes the same path of the host.
        ("bind", source) => {
            let source = source.map_or(destination, |(_, path)| path);
            ensure!(!source.is_empty(), "host directory cannot be empty");
            let source: PathBuf =
                std::path::absolute(source).with_context(|| format!("cannot use {source:?}"))?;
            Ok(MountKind::Bind { source })
        }
        ("volume", None | Some((_, ""))) => Ok(MountKind::Anonymous),
        ("volume", Some((_, name))) => named(name),
        ("tmpfs" | "ramfs", Some((key, _))) => bail!("{key:?} option not supported for {kind:?} mount types"),
        ("tmpfs", None) => Ok(MountKind::Tmpfs),
        ("ramfs", None) => Ok(MountKind::Ramfs),
        ("devpts" | "image" | "artifact" | "glob", _) => {
            bail!("mounts of type {kind} are not available: this version has bind, tmpfs, ramfs and volume")
        }
        _ => bail!("invalid filesystem type {kind:?}"),
    }
}

/// One option of `--mount`. A flag may be given as `ro`, `ro=true` and `ro=false`.
fn apply(mount: &mut Mount, key: &str, value: Option<&str>) -> anyhow::Result<()> {
    let unknown = || format!("{key}: invalid mount option");
    let flag = || boolean(value.unwrap_or("true")).map_err(anyhow::Error::msg).context(key.to_owned());
    let text = || value.with_context(|| format!("{key}: a value is expected"));
    let memory = matches!(mount.kind, MountKind::Tmpfs | MountKind::Ramfs);
    let bind = matches!(mount.kind, MountKind::Bind { .. });
    match key {
        "ro" | "readonly" => mount.options.push(if flag()? { "ro" } else { "rw" }.to_owned()),
        "rw" => mount.options.push(if flag()? { "rw" } else { "ro" }.to_owned()),
        "bind-propagation" if bind => add_option(mount, text()?)?,
        "bind-nonrecursive" if bind => mount.options.push(if flag()? { "bind" } else { "rbind" }.to_owned()),
        // For Docker Desktop's shared folders; on Linux there is nothing to choose.
        "consistency" if bind => drop(text()?),
        "relabel" if !memory => match text()? {
            "shared" => add_option(mount, "z")?,
            "private" => add_option(mount, "Z")?,
            other => bail!("relabel={other}: shared or private is expected"),
        },
        "U" | "chown" if !memory => mount.chown = flag()?,
        "tmpfs-size" if mount.kind == MountKind::Tmpfs => mount.options.push(format!("size={}", text()?)),
        "tmpfs-mode" if mount.kind == MountKind::Tmpfs => mount.options.push(format!("mode={}", text()?)),
        "volume-nocopy" if is_volume(&mount.kind) => mount.no_copy = flag()?,
        "tmpcopyup" | "notmpcopyup" if mount.kind == MountKind::Tmpfs && value.is_none() => {
            mount.options.push(key.to_owned());
        }
        "idmap" if !memory && value.is_some() => mount.options.push(format!("idmap={}", text()?)),
        _ if value.is_none() => add_option(mount, key).with_context(unknown)?,
        _ => bail!(unknown()),
    }
    Ok(())
}

/// `--tmpfs PATH[:OPTIONS]`.
pub(super) fn tmpfs(text: &str) -> anyhow::Result<Mount> {
    let (destination, options) = text.split_once(':').unwrap_or((text, ""));
    absolute(destination)?;
    let mut mount = Mount {
        kind: MountKind::Tmpfs,
        destination: destination.to_owned(),
        options: Vec::new(),
        chown: false,
        no_copy: false,
    };
    for word in options.split(',').filter(|word| !word.is_empty()) {
        let key = word.split_once('=').map(|(key, _)| key);
        match (key, word) {
            (Some("size" | "mode" | "uid" | "gid" | "nr_inodes" | "nr_blocks"), _)
            | (None, "tmpcopyup" | "notmpcopyup" | "noatime" | "relatime") => {
                mount.options.push(word.to_owned());
            }
            (None, "bind" | "rbind" | "z" | "Z" | "U" | "O") => {
                bail!("--tmpfs {text}: unknown mount option {word:?}")
            }
            _ => add_option(&mut mount, word)
                .with_context(|| format!("--tmpfs {text}: unknown mount option {word:?}"))?,
        }
    }
    check_conflicts(&mount.options)?;
    Ok(mount)
}

/// Fields with commas between them; one in double quotes may contain commas, and `""` for a quote.
fn fields(text: &str) -> anyhow::Result<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let at_start = fields.last().is_some_and(String::is_empty);
        match character {
            '"' if !quoted && at_start => quoted = true,
            '"' if quoted && characters.next_if_eq(&'"').is_none() => quoted = false,
            ',' if !quoted => fields.push(String::new()),
            _ => fields.last_mut().expect("there is always one").push(character),
        }
    }
    ensure!(!quoted, "a quote is not closed");
    Ok(fields)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn bind(source: &str) -> MountKind {
        MountKind::Bind { source: source.into() }
    }

    pub(in crate::flags) type Expected =
        Result<(MountKind, &'static str, &'static [&'static str]), &'static str>;

    /// The same for what other flags make of texts.
    pub(in crate::flags) fn check(parse: fn(&str) -> anyhow::Result<Mount>, cases: Vec<(&str, Expected)>) {
        for (text, expected) in cases {
            match (parse(text), expected) {
                (Ok(got), Ok((kind, destination, options))) => {
                    assert_eq!((&got.kind, got.destination.as_str()), (&kind, destination), "{text}");
                    assert_eq!(got.options, options, "{text}");
                }
                (Err(got), Err(expected)) => {
                    assert!(format!("{got:#}").contains(expected), "{text}: {got:#}");
                }
                (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn mounts() {
        check(
            parse,
            vec![
                ("type=bind,source=/a,target=/x", Ok((bind("/a"), "/x", &[]))),
                (
                    "type=bind,src=/a,dst=/x,ro,bind-propagation=rslave",
                    Ok((bind("/a"), "/x", &["ro", "rslave"])),
                ),
                ("type=bind,src=/a,destination=/x,readonly=false", Ok((bind("/a"), "/x", &["rw"]))),
                (
                    "type=bind,src=/a,dst=/x,bind-nonrecursive,relabel=shared",
                    Ok((bind("/a"), "/x", &["bind"])),
                ),
                ("type=bind,dst=/x,consistency=cached", Ok((bind("/x"), "/x", &[]))),
                ("type=bind,\"src=/a,b\",dst=/x", Ok((bind("/a,b"), "/x", &[]))),
                (
                    "type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1777",
                    Ok((MountKind::Tmpfs, "/x", &["size=1m", "mode=1777"])),
                ),
                ("type=ramfs,dst=/x", Ok((MountKind::Ramfs, "/x", &[]))),
                ("type=volume,dst=/x", Ok((MountKind::Anonymous, "/x", &[]))),
                ("dst=/x,nosuid", Ok((MountKind::Anonymous, "/x", &["nosuid"]))),
                ("type=volume,src=a/b,dst=/x", Err("names must match")),
                ("type=bogus,dst=/x", Err("invalid filesystem type \"bogus\"")),
                ("type=image,src=a,dst=/x", Err("mounts of type image are not available")),
                ("type=bind,src=/a", Err("must set volume destination")),
                ("type=bind,src=/a,dst=x", Err("must be an absolute path")),
                ("type=bind,src=/a,dst=/x,foo=bar", Err("foo: invalid mount option")),
                ("type=bind,src=/a,dst=/x,foo", Err("foo: invalid mount option")),
                ("type=tmpfs,src=/a,dst=/x", Err("\"src\" option not supported for \"tmpfs\"")),
                ("type=tmpfs,dst=/x,size=1m", Err("size: invalid mount option")),
                ("type=bind,src=/a,dst=/x,tmpfs-size=1m", Err("tmpfs-size: invalid mount option")),
                ("type=bind,src=/a,dst=/x,ro=maybe", Err("true or false")),
                ("type=bind,\"src=/a,dst=/x", Err("a quote is not closed")),
            ],
        );
    }

    #[test]
    fn tmpfs_mounts() {
        check(
            tmpfs,
            vec![
                ("/t", Ok((MountKind::Tmpfs, "/t", &[]))),
                ("/t:size=1m,mode=700,ro", Ok((MountKind::Tmpfs, "/t", &["size=1m", "mode=700", "ro"]))),
                ("/t:noexec,notmpcopyup", Ok((MountKind::Tmpfs, "/t", &["noexec", "notmpcopyup"]))),
                ("t", Err("must be an absolute path")),
                ("/t:bogus", Err("unknown mount option \"bogus\"")),
                ("/t:z", Err("unknown mount option \"z\"")),
            ],
        );
    }
}
