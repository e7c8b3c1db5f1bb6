//! `-v [HOST:]CONTAINER[:OPTIONS]`.

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Mount, MountKind};

pub(super) fn parse(text: &str) -> anyhow::Result<Mount> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [destination] => (None, destination, ""),
        [source, destination] => (Some(source), destination, ""),
        [source, destination, options] => (Some(source), destination, options),
        _ => bail!("{text}: incorrect volume format, should be [host-dir:]ctr-dir[:option]"),
    };
    ensure!(!destination.is_empty(), "container directory cannot be empty");
    absolute(destination)?;
    let kind = match source {
        None => MountKind::Anonymous,
        Some("") => bail!("host directory cannot be empty"),
        Some(source) if source.starts_with(['/', '.']) => {
            let source = std::path::absolute(source).with_context(|| format!("cannot use {source:?}"))?;
            MountKind::Bind { source }
        }
        Some(name) => named(name)?,
    };
    let mut mount = Mount {
        kind,
        destination: destination.to_owned(),
        options: Vec::new(),
        chown: false,
        no_copy: false,
    };
    let words = options.split(',').filter(|word| !word.is_empty());
    words
        .into_iter()
        .try_for_each(|word| add_option(&mut mount, word))
        .with_context(|| format!("volume {text:?}"))?;
    check_conflicts(&mount.options)?;
    Ok(mount)
}

/// A volume's name is checked before anything is made.
pub(super) fn named(name: &str) -> anyhow::Result<MountKind> {
    super::values::check_name(name).context("running volume create option")?;
    Ok(MountKind::Named { name: name.to_owned(), anonymous: false })
}

pub(super) fn absolute(destination: &str) -> anyhow::Result<()> {
    ensure!(destination.starts_with('/'), "invalid container path {destination:?}, must be an absolute path");
    Ok(())
}

/// One word of a bind's or volume's options.
pub(super) fn add_option(mount: &mut Mount, word: &str) -> anyhow::Result<()> {
    match word {
        "ro" | "rw" | "exec" | "noexec" | "dev" | "nodev" | "suid" | "nosuid" | "bind" | "rbind"
        | "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" | "unbindable"
        | "runbindable" => {
            mount.options.push(word.to_owned());
        }
        // Relabelling is for SELinux hosts; containers get no label, so every one may read the files already.
        "z" | "Z" => {}
        "U" => mount.chown = true,
        "copy" if is_volume(&mount.kind) => mount.no_copy = false,
        "nocopy" if is_volume(&mount.kind) => mount.no_copy = true,
        "O" => bail!("overlay volumes (O) are not available; --rootfs PATH:O has an overlay for the root"),
        _ if word == "idmap" || word.starts_with("idmap=") => mount.options.push(word.to_owned()),
        _ => bail!("invalid option type {word:?}"),
    }
    Ok(())
}

pub(super) fn is_volume(kind: &MountKind) -> bool {
    matches!(kind, MountKind::Anonymous | MountKind::Named { .. })
}

/// Of each of these groups at most one may be given.
pub(super) fn check_conflicts(options: &[String]) -> anyhow::Result<()> {
    const GROUPS: [&[&str]; 6] = [
        &["ro", "rw"],
        &["exec", "noexec"],
        &["dev", "nodev"],
        &["suid", "nosuid"],
        &["bind", "rbind"],
        &["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"],
    ];
    for group in GROUPS {
        let given: Vec<&str> =
            options.iter().map(String::as_str).filter(|option| group.contains(option)).collect();
        ensure!(
            given.len() < 2,
            "invalid options {:?}, can only specify one of {}",
            given.join(", "),
            group.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::mount::tests::{Expected, check};
    use super::*;

    #[test]
    fn volumes() {
        let bind = |source: &str| MountKind::Bind { source: source.into() };
        let volume = |name: &str| MountKind::Named { name: name.to_owned(), anonymous: false };
        let cases: Vec<(&str, Expected)> = vec![
            ("/a:/b", Ok((bind("/a"), "/b", &[]))),
            ("/a:/b:ro,z,rslave", Ok((bind("/a"), "/b", &["ro", "rslave"]))),
            ("/a:/b:", Ok((bind("/a"), "/b", &[]))),
            ("/b", Ok((MountKind::Anonymous, "/b", &[]))),
            ("rel:/b:nocopy", Ok((volume("rel"), "/b", &[]))),
            ("a/b:/b", Err("names must match")),
            ("/a:b", Err("invalid container path \"b\", must be an absolute path")),
            ("/data:O", Err("invalid container path \"O\"")),
            ("", Err("container directory cannot be empty")),
            (":/b", Err("host directory cannot be empty")),
            ("a:b:c:d", Err("a:b:c:d: incorrect volume format")),
            ("/a:/b:bogus", Err("invalid option type \"bogus\"")),
            ("/a:/b:ro,rw", Err("invalid options \"ro, rw\"")),
            ("/a:/b:shared,slave", Err("can only specify one of")),
            ("/a:/b:O", Err("overlay volumes")),
            ("/a:/b:nocopy", Err("invalid option type \"nocopy\"")),
        ];
        check(parse, cases);
        assert!(parse("/a:/b:U").unwrap().chown);
        let here = std::env::current_dir().unwrap().join("x");
        assert_eq!(parse("./x:/b").unwrap().kind, MountKind::Bind { source: here });
    }
}
