//! Names of scopes and slices, and where slices are in the tree.

use std::path::{Path, PathBuf};

use crate::Error;

/// A scope below a slice, as `linux.cgroupsPath` asks for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub slice: String,
    pub scope: String,
}

/// `slice:prefix:name` is `prefix-name.scope` in `slice`, as runc and crun have it. Without a path the scope is
/// `ketchrun-<id>.scope`, and without a slice that is the manager's default.
pub(crate) fn name(cgroups_path: Option<&Path>, id: &str, user: bool) -> Result<Name, Error> {
    let default_slice = if user { "user.slice" } else { "system.slice" };
    let given = cgroups_path.map(Path::to_string_lossy).unwrap_or_default();
    if given.is_empty() {
        return Ok(Name { slice: default_slice.to_owned(), scope: format!("ketchrun-{id}.scope") });
    }
    let refuse = |reason: String| Err(Error::unsupported("linux.cgroupsPath", reason));
    let parts: Vec<&str> = given.split(':').collect();
    let [slice, prefix, name] = parts[..] else {
        return refuse(format!("with systemd it has the form \"slice:prefix:name\", and it is {given:?}"));
    };
    let slice = if slice.is_empty() { default_slice } else { slice };
    slice_path(slice)?;
    if name.is_empty() {
        return refuse(format!("{given:?} has no name after its last colon"));
    }
    if name.ends_with(".slice") {
        return refuse(format!("{given:?} is a slice, and a container is a scope"));
    }
    let scope = if prefix.is_empty() { format!("{name}.scope") } else { format!("{prefix}-{name}.scope") };
    let legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if scope.len() > 255 || !scope.chars().all(legal) {
        return refuse(format!("{scope:?} is no name of a unit of systemd's"));
    }
    Ok(Name { slice: slice.to_owned(), scope })
}

/// Where a slice is below the manager's own cgroup: `a-b.slice` is `a.slice/a-b.slice` (systemd.slice(5)).
pub(crate) fn slice_path(slice: &str) -> Result<PathBuf, Error> {
    let refuse = || {
        Error::unsupported(
            "the cgroup parent",
            format!("{slice:?} is no slice of systemd's, such as a-b.slice"),
        )
    };
    let stem = slice.strip_suffix(".slice").ok_or_else(refuse)?;
    if stem == "-" {
        return Ok(PathBuf::new());
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if slice.len() > 255 || !stem.chars().all(legal) || stem.split('-').any(str::is_empty) {
        return Err(refuse());
    }
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    Ok(ends.map(|end| format!("{}.slice", &stem[..end])).collect())
}

/// The object of a unit: all but letters and digits is written as `_` and two hex digits.
pub(super) fn object(unit: &str) -> String {
    let mut path = "/org/freedesktop/systemd1/unit/".to_owned();
    for (at, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit()) {
            path.push(byte.into());
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, user, want) in [
            (None, false, Some("system.slice ketchrun-web.scope")),
            (Some(""), true, Some("user.slice ketchrun-web.scope")),
            (Some("machine.slice:libpod:0123"), false, Some("machine.slice libpod-0123.scope")),
            (Some(":docker:0123"), false, Some("system.slice docker-0123.scope")),
            (Some("::x"), true, Some("user.slice x.scope")),
            (Some("a-b.slice:cri-containerd:x"), false, Some("a-b.slice cri-containerd-x.scope")),
            (Some("/a/b"), false, None),
            (Some("a.slice:b"), false, None),
            (Some("a.slice:b:c:d"), false, None),
            (Some("a.slice:b:"), false, None),
            (Some("a:b:c"), false, None),
            (Some("a/b.slice:b:c"), false, None),
            (Some("a.slice:b:c.slice"), false, None),
            (Some("a.slice:b:c/d"), false, None),
        ] {
            let got = name(path.map(Path::new), "web", user).ok();
            let got = got.map(|name| format!("{} {}", name.slice, name.scope));
            assert_eq!(got.as_deref(), want, "{path:?}");
        }
    }

    #[test]
    fn slices() {
        for (slice, want) in [
            ("machine.slice", Some("machine.slice")),
            ("a-b-c.slice", Some("a.slice/a-b.slice/a-b-c.slice")),
            ("user-1000.slice", Some("user.slice/user-1000.slice")),
            ("-.slice", Some("")),
            ("a--b.slice", None),
            ("-a.slice", None),
            ("a-.slice", None),
            (".slice", None),
            ("a", None),
            ("a/b.slice", None),
        ] {
            assert_eq!(slice_path(slice).ok().as_deref(), want.map(Path::new), "{slice}");
        }
    }

    #[test]
    fn objects() {
        assert_eq!(object("a-b.scope"), "/org/freedesktop/systemd1/unit/a_2db_2escope");
        assert_eq!(object("0a.slice"), "/org/freedesktop/systemd1/unit/_30a_2eslice");
    }
}
