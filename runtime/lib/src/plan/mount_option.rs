//! The words of a mount's `options`: mount(8), and runtime-spec's table of recursive attributes.

use ketch_sys::mount::{Change, Propagation, attr};

/// What one word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Bind {
        recursive: bool,
    },
    /// Changes this mount, or with `recursive` those below it too.
    Attribute {
        change: Change,
        recursive: bool,
    },
    /// `ro` and `rw`: an attribute of the mount, and of a file system that is on a device.
    ReadOnly(bool),
    Propagation(Propagation, bool),
    CopyUp,
    /// `src-nofollow`, `copy-symlink` and `dest-nofollow`: see [`super::mount::Symlinks`].
    BindSymlink,
    CopySymlink,
    CoverSymlink,
    Remount,
    /// A parameter of every file system, such as `sync`.
    Superblock,
    /// Says what is so anyway, or only how much the kernel prints.
    Nothing,
    /// What follows `=`, if that does, is crun's way to give the mapping.
    IdMapped {
        recursive: bool,
    },
    /// For the file system to understand: `size=64k`.
    Data,
}

pub(super) fn meaning(word: &str) -> Meaning {
    if let Some(change) = attribute(word) {
        return Meaning::Attribute { change, recursive: false };
    }
    // The recursive form of an attribute has an r in front.
    if let Some(change) = word
        .strip_prefix('r')
        .and_then(|word| if word == "ro" || word == "rw" { read_only(word) } else { attribute(word) })
    {
        return Meaning::Attribute { change, recursive: true };
    }
    if let Some((propagation, recursive)) = propagation(word) {
        return Meaning::Propagation(propagation, recursive);
    }
    match word {
        "bind" => Meaning::Bind { recursive: false },
        "rbind" => Meaning::Bind { recursive: true },
        "ro" => Meaning::ReadOnly(true),
        "rw" => Meaning::ReadOnly(false),
        "tmpcopyup" => Meaning::CopyUp,
        "src-nofollow" => Meaning::BindSymlink,
        "copy-symlink" => Meaning::CopySymlink,
        "dest-nofollow" => Meaning::CoverSymlink,
        "remount" => Meaning::Remount,
        "sync" | "async" | "dirsync" | "mand" | "nomand" | "lazytime" | "nolazytime" => Meaning::Superblock,
        "defaults" | "silent" | "loud" | "" => Meaning::Nothing,
        // File systems that have such a counter keep it in any case (Linux 6.1, ext4 as the last).
        "iversion" | "noiversion" => Meaning::Nothing,
        "idmap" => Meaning::IdMapped { recursive: false },
        "ridmap" => Meaning::IdMapped { recursive: true },
        _ if word.starts_with("idmap=") => Meaning::IdMapped { recursive: false },
        _ if word.starts_with("ridmap=") => Meaning::IdMapped { recursive: true },
        _ => Meaning::Data,
    }
}

/// `private`, `rprivate` and so on; true for the recursive ones.
pub(super) fn propagation(word: &str) -> Option<(Propagation, bool)> {
    let kind = |word| match word {
        "shared" => Some(Propagation::Shared),
        "slave" => Some(Propagation::Slave),
        "private" => Some(Propagation::Private),
        "unbindable" => Some(Propagation::Unbindable),
        _ => None,
    };
    kind(word).map(|p| (p, false)).or_else(|| word.strip_prefix('r').and_then(kind).map(|p| (p, true)))
}

fn read_only(word: &str) -> Option<Change> {
    match word {
        "ro" => Some(set(attr::RDONLY)),
        "rw" => Some(clear(attr::RDONLY)),
        _ => None,
    }
}

fn attribute(word: &str) -> Option<Change> {
    Some(match word {
        "nosuid" => set(attr::NOSUID),
        "suid" => clear(attr::NOSUID),
        "nodev" => set(attr::NODEV),
        "dev" => clear(attr::NODEV),
        "noexec" => set(attr::NOEXEC),
        "exec" => clear(attr::NOEXEC),
        "nosymfollow" => set(attr::NOSYMFOLLOW),
        "symfollow" => clear(attr::NOSYMFOLLOW),
        "nodiratime" => set(attr::NODIRATIME),
        "diratime" => clear(attr::NODIRATIME),
        // relatime is the kernel's default, which undoing another choice leads back to.
        "relatime" | "norelatime" | "atime" | "nostrictatime" => access_time(attr::RELATIME),
        "noatime" => access_time(attr::NOATIME),
        "strictatime" => access_time(attr::STRICTATIME),
        _ => return None,
    })
}

const fn set(flag: u64) -> Change {
    Change { set: flag, clear: 0, propagation: None }
}

const fn clear(flag: u64) -> Change {
    Change { set: 0, clear: flag, propagation: None }
}

const fn access_time(flag: u64) -> Change {
    Change { set: flag, clear: attr::ATIME_FIELD, propagation: None }
}

/// `later` after `earlier`, as one change: the last word on a flag wins.
pub(super) fn merge(earlier: Change, later: Change) -> Change {
    Change {
        set: (earlier.set & !later.clear) | later.set,
        // The access time field must stay cleared for the value that is set in it.
        clear: (earlier.clear & !(later.set & !attr::ATIME_FIELD)) | later.clear,
        propagation: later.propagation.or(earlier.propagation),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let attribute = |change, recursive| Meaning::Attribute { change, recursive };
        for (word, expected) in [
            ("nosuid", attribute(set(attr::NOSUID), false)),
            ("rnosuid", attribute(set(attr::NOSUID), true)),
            ("rro", attribute(set(attr::RDONLY), true)),
            ("rrw", attribute(clear(attr::RDONLY), true)),
            ("ro", Meaning::ReadOnly(true)),
            ("rrelatime", attribute(access_time(attr::RELATIME), true)),
            ("relatime", attribute(access_time(attr::RELATIME), false)),
            ("rnoatime", attribute(access_time(attr::NOATIME), true)),
            ("ratime", attribute(access_time(attr::RELATIME), true)),
            ("rbind", Meaning::Bind { recursive: true }),
            ("rprivate", Meaning::Propagation(Propagation::Private, true)),
            ("shared", Meaning::Propagation(Propagation::Shared, false)),
            ("runbindable", Meaning::Propagation(Propagation::Unbindable, true)),
            ("remount", Meaning::Remount),
            ("ridmap", Meaning::IdMapped { recursive: true }),
            ("idmap=uids=0-1-1;gids=0-1-1", Meaning::IdMapped { recursive: false }),
            ("rtmpcopyup", Meaning::Data),
            ("size=64k", Meaning::Data),
            ("dirsync", Meaning::Superblock),
        ] {
            assert_eq!(meaning(word), expected, "{word}");
        }
    }

    #[test]
    fn the_last_word_wins() {
        let all = |words: &[&str]| {
            words.iter().fold(Change::default(), |sum, word| {
                merge(sum, attribute(word).or_else(|| read_only(word)).expect(word))
            })
        };
        for (words, set, clear) in [
            (&["ro", "rw"][..], 0, attr::RDONLY),
            (&["rw", "ro"], attr::RDONLY, 0),
            (&["noatime", "relatime"], 0, attr::ATIME_FIELD),
            (&["relatime", "noatime"], attr::NOATIME, attr::ATIME_FIELD),
            (&["noatime", "strictatime"], attr::STRICTATIME, attr::ATIME_FIELD),
            (&["nosuid", "nodev", "ro"], attr::NOSUID | attr::NODEV | attr::RDONLY, 0),
        ] {
            let change = all(words);
            assert_eq!((change.set, change.clear), (set, clear), "{words:?}");
        }
    }
}
