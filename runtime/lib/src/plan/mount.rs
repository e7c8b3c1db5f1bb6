//! `mounts`: each entry becomes a source, its flags and a destination below the container's root.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use ketch_sys::mount::{Change, attr};

use super::Invalid;
use super::ids::Maps;
use super::mount_idmap::{self, IdMap};
use super::mount_option::{Meaning, meaning, merge};
use crate::spec;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Absolute and clean.
    pub destination: PathBuf,
    pub source: Source,
    /// For the mount itself.
    pub change: Change,
    /// For it and all mounts below it; made before `change`.
    pub recursive: Change,
    /// Fill the new tmpfs with what it hides (`tmpcopyup`).
    pub copy_up: bool,
    /// For a bind.
    pub symlinks: Symlinks,
    /// SELinux's, to be given to the root of a new file system that takes no option for it.
    pub label: Option<String>,
    /// For a bind or a new file system.
    pub idmap: Option<IdMap>,
}

/// What is done about a symlink at the end of a bind's two paths; crun's options, which podman uses. By default both are
/// followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Symlinks {
    /// The source is bound itself (`src-nofollow`).
    pub bind_source: bool,
    /// The source is made anew at the destination, in place of the bind (`copy-symlink`).
    pub copy_source: bool,
    /// The destination is covered itself (`dest-nofollow`).
    pub cover_destination: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A host path, absolute.
    Bind { path: PathBuf, recursive: bool },
    /// A file system made new.
    New(Filesystem),
    /// The container's own cgroups, in whichever layout the host has.
    Cgroup,
    /// Other flags for a mount that is there.
    Remount,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filesystem {
    pub kind: CString,
    /// What mountinfo shows as the source.
    pub source: Option<CString>,
    pub parameters: Vec<Parameter>,
}

/// `key` or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub key: CString,
    pub value: Option<CString>,
}

/// Files of procfs that may be mounted over (by lxcfs and the like); anything else in there is the kernel's word
/// on itself, which security modules and we rely on (CVE-2019-16884).
const PROC_MAY_BE_COVERED: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

pub(crate) fn plan(mounts: &[spec::Mount], given: Given<'_>) -> Result<Vec<Mount>, Invalid> {
    mounts.iter().map(|mount| plan_one(mount, given)).collect()
}

/// What else decides about mounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    /// Absolute; relative sources start here.
    pub(crate) bundle: &'a Path,
    pub(crate) user: UserNamespace<'a>,
    /// `linux.mountLabel`, under the name of the mount option that sets it.
    pub(crate) label: Option<(&'a str, &'a str)>,
}

/// The container's user namespace, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UserNamespace<'a> {
    /// It has none of its own.
    None,
    New(&'a Maps),
    Joined,
}

fn plan_one(mount: &spec::Mount, given: Given<'_>) -> Result<Mount, Invalid> {
    let at = mount.destination().display().to_string();
    let refuse = |reason: String| Invalid::new("mounts", format!("{at}: {reason}"));

    if at.is_empty() {
        return Err(refuse("a mount without a destination".to_owned()));
    }
    // runc takes a relative destination as relative to the root, with a warning.
    let destination = super::clean(mount.destination()).ok_or_else(|| refuse("is not UTF-8".to_owned()))?;
    if destination == Path::new("/") {
        return Err(refuse("would cover the container's root".to_owned()));
    }
    let kind = mount.typ().as_deref().unwrap_or_default();
    let mut words = Words::read(mount.options().as_deref().unwrap_or_default());
    let source = if words.remount {
        words.expect_no_data("a remount").map_err(refuse)?;
        Source::Remount
    } else if let Some(recursive) = words.bind.or((kind == "bind").then_some(false)) {
        words.expect_no_data("a bind mount").map_err(refuse)?;
        let path = mount.source().as_ref().filter(|path| !path.as_os_str().is_empty());
        let path = path.ok_or_else(|| refuse("a bind mount without a source".to_owned()))?;
        Source::Bind { path: given.bundle.join(path), recursive }
    } else if matches!(kind, "cgroup" | "cgroup2") {
        words.expect_no_data("a cgroup mount").map_err(refuse)?;
        Source::Cgroup
    } else if matches!(kind, "" | "none") {
        return Err(refuse("has neither a type nor `bind`".to_owned()));
    } else {
        // As in runc: SELinux labels procfs and sysfs by itself. A queue's file system takes no option for it.
        if let Some((option, label)) = given.label.filter(|_| !matches!(kind, "proc" | "sysfs" | "mqueue")) {
            words.parameters.push(format!("{option}={label}"));
        }
        Source::New(filesystem(kind, mount.source().as_deref(), &mut words).map_err(refuse)?)
    };
    if words.copy_up && kind != "tmpfs" {
        return Err(refuse("tmpcopyup is for a tmpfs".to_owned()));
    }
    if words.symlinks != Symlinks::default() && !matches!(source, Source::Bind { .. }) {
        return Err(refuse("copy-symlink, src-nofollow and dest-nofollow are for a bind mount".to_owned()));
    }
    check_proc(&destination, kind, &source).map_err(refuse)?;
    let idmap = mount_idmap::plan(mount, words.idmap, given.user).map_err(refuse)?;
    if idmap.is_some() && !matches!(source, Source::Bind { .. } | Source::New(_)) {
        return Err(refuse("ids can be mapped for a bind or a new file system only".to_owned()));
    }
    Ok(Mount {
        destination,
        source,
        change: words.change,
        recursive: words.recursive,
        copy_up: words.copy_up,
        symlinks: words.symlinks,
        label: given.label.filter(|_| kind == "mqueue").map(|(_, label)| label.to_owned()),
        idmap,
    })
}

/// The options of one mount, sorted.
#[derive(Default)]
struct Words<'a> {
    bind: Option<bool>,
    remount: bool,
    copy_up: bool,
    symlinks: Symlinks,
    change: Change,
    recursive: Change,
    idmap: Option<mount_idmap::Asked<'a>>,
    parameters: Vec<String>,
}

impl<'a> Words<'a> {
    fn read(options: &'a [String]) -> Words<'a> {
        let mut words = Words::default();
        for option in options {
            match meaning(option) {
                Meaning::Bind { recursive } => words.bind = Some(recursive || words.bind == Some(true)),
                Meaning::Remount => words.remount = true,
                Meaning::CopyUp => words.copy_up = true,
                Meaning::BindSymlink => words.symlinks.bind_source = true,
                Meaning::CopySymlink => words.symlinks.copy_source = true,
                Meaning::CoverSymlink => words.symlinks.cover_destination = true,
                Meaning::Attribute { change, recursive: false } => words.change = merge(words.change, change),
                Meaning::Attribute { change, recursive: true } => {
                    words.recursive = merge(words.recursive, change);
                }
                Meaning::ReadOnly(true) => {
                    words.change = merge(words.change, Change { set: attr::RDONLY, ..Change::default() });
                }
                Meaning::ReadOnly(false) => {
                    words.change = merge(words.change, Change { clear: attr::RDONLY, ..Change::default() });
                }
                Meaning::Propagation(propagation, false) => words.change.propagation = Some(propagation),
                Meaning::Propagation(propagation, true) => words.recursive.propagation = Some(propagation),
                Meaning::Superblock | Meaning::Data => words.parameters.push(option.clone()),
                Meaning::IdMapped { recursive } => {
                    let ranges = option.split_once('=').map(|(_, ranges)| ranges);
                    words.idmap = Some(mount_idmap::Asked { recursive, ranges });
                }
                Meaning::Nothing => {}
            }
        }
        words
    }

    fn expect_no_data(&self, what: &str) -> Result<(), String> {
        match self.parameters.first() {
            Some(word) => Err(format!("{word:?} is no option of {what}")),
            None => Ok(()),
        }
    }
}

fn filesystem(kind: &str, source: Option<&Path>, words: &mut Words<'_>) -> Result<Filesystem, String> {
    let c_string = |text: &str| CString::new(text).map_err(|_| format!("{text:?} has a NUL byte"));
    let mut parameters = Vec::new();
    for word in &words.parameters {
        // An instance of its own is all that devpts gives (Linux 4.7).
        if kind == "devpts" && word == "newinstance" {
            continue;
        }
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key, Some(c_string(value)?)),
            None => (word.as_str(), None),
        };
        parameters.push(Parameter { key: c_string(key)?, value });
    }
    // Where there is a device behind it, it must not be written to either (a journal would be replayed).
    let in_memory = matches!(kind, "tmpfs" | "proc" | "sysfs" | "devpts" | "mqueue" | "ramfs" | "overlay");
    if words.change.set & attr::RDONLY != 0 && !in_memory {
        parameters.push(Parameter { key: c"ro".to_owned(), value: None });
    }
    let source = source.and_then(Path::to_str).filter(|s| !s.is_empty());
    Ok(Filesystem { kind: c_string(kind)?, source: source.map(c_string).transpose()?, parameters })
}

fn check_proc(destination: &Path, kind: &str, source: &Source) -> Result<(), String> {
    let Ok(inside) = destination.strip_prefix("/proc") else { return Ok(()) };
    let covers_all = inside.as_os_str().is_empty();
    let allowed = match source {
        Source::New(_) if covers_all => kind == "proc",
        // A procfs that comes from elsewhere, for rootless containers in containers.
        Source::Bind { .. } if covers_all => true,
        Source::Remount => true,
        _ => PROC_MAY_BE_COVERED.iter().any(|path| destination == Path::new(path)),
    };
    if allowed { Ok(()) } else { Err("would cover a part of /proc".to_owned()) }
}

#[cfg(test)]
mod tests {
    use ketch_sys::mount::Propagation;

    use super::*;

    fn read(mount: &str) -> Result<Mount, Invalid> {
        let mount = serde_json::from_str(mount).expect("valid JSON");
        let bundle = Path::new("/bundle");
        plan_one(&mount, Given { bundle, user: UserNamespace::None, label: None })
    }

    #[test]
    fn binds() {
        let mount = read(
            r#"{"destination": "/a/../data/", "source": "src", "options": ["rbind", "rprivate", "ro", "rnosuid"]}"#,
        )
        .expect("valid");
        assert_eq!(mount.destination, Path::new("/data"));
        assert_eq!(mount.source, Source::Bind { path: "/bundle/src".into(), recursive: true });
        assert_eq!(mount.change.set, attr::RDONLY);
        assert_eq!(mount.recursive.set, attr::NOSUID);
        assert_eq!(mount.recursive.propagation, Some(Propagation::Private));

        let links = read(
            r#"{"destination": "/l", "source": "/s", "options": ["bind", "src-nofollow", "dest-nofollow"]}"#,
        );
        let expected = Symlinks { bind_source: true, cover_destination: true, ..Symlinks::default() };
        assert_eq!(links.expect("valid").symlinks, expected);

        let typed = read(r#"{"destination": "/data", "type": "bind", "source": "/src"}"#).expect("valid");
        assert_eq!(typed.source, Source::Bind { path: "/src".into(), recursive: false });
    }

    #[test]
    fn file_systems() {
        let mount = read(
            r#"{"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=64k", "ro"]}"#,
        )
        .expect("valid");
        let Source::New(filesystem) = mount.source else { panic!("{:?}", mount.source) };
        let keys: Vec<_> = filesystem.parameters.iter().map(|p| p.key.as_c_str()).collect();
        assert_eq!(keys, [c"mode", c"size"]);
        assert_eq!(mount.change.set, attr::NOSUID | attr::STRICTATIME | attr::RDONLY);

        let disk = read(r#"{"destination": "/d", "type": "ext4", "source": "/dev/x", "options": ["ro"]}"#);
        let Source::New(filesystem) = disk.expect("valid").source else { panic!("not new") };
        assert_eq!(filesystem.parameters[0].key.as_c_str(), c"ro");
    }

    #[test]
    fn labels() {
        let label = Some(("context", "system_u:object_r:container_file_t:s0:c1,c2"));
        let given = Given { bundle: Path::new("/bundle"), user: UserNamespace::None, label };
        for (mount, by_option, by_attribute) in [
            (r#"{"destination": "/t", "type": "tmpfs", "options": ["size=1m"]}"#, true, false),
            (r#"{"destination": "/dev/mqueue", "type": "mqueue"}"#, false, true),
            (r#"{"destination": "/proc", "type": "proc"}"#, false, false),
            (r#"{"destination": "/sys", "type": "sysfs"}"#, false, false),
            (r#"{"destination": "/data", "source": "/x", "options": ["bind"]}"#, false, false),
        ] {
            let plan = plan_one(&serde_json::from_str(mount).expect("JSON"), given).expect(mount);
            let context = |parameter: &Parameter| {
                &*parameter.key == c"context"
                    && parameter.value.as_deref() == Some(c"system_u:object_r:container_file_t:s0:c1,c2")
            };
            let has = matches!(&plan.source, Source::New(new) if new.parameters.iter().any(context));
            assert_eq!((has, plan.label.is_some()), (by_option, by_attribute), "{mount}");
        }
    }

    #[test]
    fn refused() {
        for (mount, reason) in [
            (r#"{"destination": "", "type": "tmpfs"}"#, "without a destination"),
            (r#"{"destination": "/x/..", "type": "tmpfs"}"#, "cover the container's root"),
            (r#"{"destination": "/x", "options": ["rbind"]}"#, "without a source"),
            (r#"{"destination": "/x", "source": "/y"}"#, "neither a type nor"),
            (
                r#"{"destination": "/x", "source": "/y", "options": ["bind", "size=1"]}"#,
                "\"size=1\" is no option",
            ),
            (r#"{"destination": "/x", "source": "/y", "options": ["bind", "idmap"]}"#, "`idmap` needs"),
            (
                r#"{"destination": "/x", "type": "cgroup", "options": ["idmap=uids=0-1-1;gids=0-1-1"]}"#,
                "a new file system only",
            ),
            (r#"{"destination": "/x", "type": "proc", "options": ["tmpcopyup"]}"#, "for a tmpfs"),
            (r#"{"destination": "/x", "type": "tmpfs", "options": ["copy-symlink"]}"#, "for a bind mount"),
            (r#"{"destination": "/proc", "type": "tmpfs"}"#, "a part of /proc"),
            (r#"{"destination": "/proc/self", "source": "/y", "options": ["bind"]}"#, "a part of /proc"),
            (r#"{"destination": "/proc/sys", "type": "tmpfs"}"#, "a part of /proc"),
        ] {
            let error = read(mount).expect_err(mount).to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(read(r#"{"destination": "/proc/meminfo", "source": "/y", "options": ["bind"]}"#).is_ok());
    }
}
