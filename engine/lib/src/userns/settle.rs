//! Modes become maps, when a container is created.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ketch_runtime::plan::ids::{self, Range};
use ketch_runtime::step::StepError;
use ketch_sys::Errno;
use nix::unistd::{Uid, User};

use super::{auto, namespace, parse};
use crate::Engine;
use crate::container::options::{IdRange, KeepId, Options, UsernsMode, Wanted, WantedRange};
use crate::container::root::RootError;
use crate::image::Image;
use crate::rootless::range;
use crate::spec::SpecError;
use crate::state;
use crate::state::containers::FindError;

/// Why the container cannot have the user namespace. podman's words where podman has them.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error("nomap is only supported in rootless mode")]
    NoMap,
    #[error("must provide at least one UID or GID mapping to configure a user namespace")]
    NoRanges,
    #[error("{file} has no range of user {user}")]
    NoRangeOf { file: &'static str, user: String },
    #[error("--{kind}map: {reason}")]
    Ranges { kind: &'static str, reason: String },
    #[error("--{kind}map: the host's id {id} is not mapped here")]
    NotHere { kind: &'static str, id: u32 },
    #[error("the container's {kind} 0 is mapped to nobody: its root sets it up")]
    NoRoot { kind: &'static str },
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot find specified user namespace path")]
    Path(#[source] std::io::Error),
    #[error("{0} is ketch's own user namespace, which is --userns host")]
    Own(PathBuf),
    #[error("no {count} {kind} ids in a row are free for the container")]
    NoneFree { kind: &'static str, count: u32 },
    #[error("cannot look into the image: {}", .0.desc().to_lowercase())]
    Mount(Errno),
    #[error("cannot tell the image's highest id")]
    Image(#[source] Box<RootError>),
    #[error(transparent)]
    User(Box<SpecError>),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("looking up container to share user namespace with")]
    Find(#[source] FindError),
    #[error("the root of ketch's user namespace has no other ids: /etc/subuid and /etc/subgid give some")]
    NoSubordinates,
}

/// Puts the maps into `options`, and who the container runs as if the mode says so.
pub(crate) fn settle(
    engine: &Engine,
    options: &mut Options,
    image: Option<&Image>,
) -> Result<(), SettleError> {
    let (uids, gids) = match options.userns.mode.clone() {
        UsernsMode::Host => return Ok(()),
        UsernsMode::Auto(auto) => auto::choose(engine, options, image, &auto)?,
        UsernsMode::Container(id) => {
            let other = engine.db.find_container(&id).map_err(SettleError::Find)?;
            options.userns.uids = other.options.userns.uids;
            options.userns.gids = other.options.userns.gids;
            return Ok(());
        }
        UsernsMode::Path(path) => {
            let file = File::open(&path).map_err(SettleError::Path)?;
            let own = std::fs::metadata("/proc/self/ns/user").map_err(SettleError::Path)?;
            if file.metadata().is_ok_and(|meta| (meta.dev(), meta.ino()) == (own.dev(), own.ino())) {
                return Err(SettleError::Own(path));
            }
            let maps = namespace::maps_of(file.as_fd())?;
            (maps.uids, maps.gids)
        }
        UsernsMode::Mapped(wanted) => mapped(&wanted)?,
        UsernsMode::KeepId(keep) => match Here::read()? {
            // As with podman root has the ids that there are.
            Here { user: None, uids, gids } => {
                let (uid, gid) = (keep.uid.unwrap_or(0), keep.gid.unwrap_or(0));
                options.user.get_or_insert_with(|| format!("{uid}:{gid}"));
                (same(&uids), same(&gids))
            }
            Here { user: Some((uid, gid)), uids, gids } => {
                let inside = (keep.uid.unwrap_or(uid), keep.gid.unwrap_or(gid));
                options.user.get_or_insert_with(|| format!("{}:{}", inside.0, inside.1));
                (kept(inside.0, total(&uids), keep.size), kept(inside.1, total(&gids), keep.size))
            }
        },
        UsernsMode::NoMap => match Here::read()? {
            Here { user: None, .. } => return Err(SettleError::NoMap),
            Here { uids, gids, .. } => (without_first(total(&uids))?, without_first(total(&gids))?),
        },
    };
    for (kind, ranges) in [("uid", &uids), ("gid", &gids)] {
        ids::check(ranges).map_err(|reason| SettleError::Ranges { kind, reason })?;
        if ids::host(ranges, 0).is_none() {
            return Err(SettleError::NoRoot { kind });
        }
    }
    options.userns.uids = uids.into_iter().map(IdRange::from).collect();
    options.userns.gids = gids.into_iter().map(IdRange::from).collect();
    Ok(())
}

/// Whose name the container's passwd is to have: the user's who is the same one inside.
pub(crate) fn kept_user(mode: &UsernsMode) -> Result<Option<String>, SettleError> {
    match mode {
        UsernsMode::KeepId(KeepId { uid: None, .. }) => {
            let user = Here::read()?.user.and_then(|(uid, _)| User::from_uid(Uid::from_raw(uid)).ok()?);
            Ok(user.map(|user| user.name))
        }
        _ => Ok(None),
    }
}

/// ketch's own user namespace.
pub(super) struct Here {
    /// Whose it is; None: root's.
    pub(super) user: Option<(u32, u32)>,
    pub(super) uids: Vec<Range>,
    pub(super) gids: Vec<Range>,
}

impl Here {
    pub(super) fn read() -> Result<Here, SettleError> {
        let read = |path: &str| {
            let text = std::fs::read_to_string(path);
            text.map_err(|source| SettleError::Read { path: Path::new(path).to_owned(), source })
        };
        let (uids, gids) =
            (parse::map(&read("/proc/self/uid_map")?), parse::map(&read("/proc/self/gid_map")?));
        let root = |ranges: &[Range]| ids::host(ranges, 0).unwrap_or(0);
        let (uid, gid) = (root(&uids), root(&gids));
        Ok(Here { user: (uid != 0).then_some((uid, gid)), uids, gids })
    }
}

/// The ids of here, by their own numbers.
fn same(ranges: &[Range]) -> Vec<Range> {
    ranges.iter().map(|range| Range { host: range.container, ..*range }).collect()
}

/// How many ids there are.
pub(super) fn total(ranges: &[Range]) -> u32 {
    ranges.iter().fold(0, |total: u32, range| total.saturating_add(range.size))
}

/// Id 0 outside, the user's own, becomes `own`, and the others follow from 0 on around it: at most `size` of them.
fn kept(own: u32, total: u32, size: Option<u32>) -> Vec<Range> {
    let others = size.map_or(total.saturating_sub(1), |size| size.min(total.saturating_sub(1)));
    let below = own.min(others);
    let all = [
        Range { container: 0, host: 1, size: below },
        Range { container: own, host: 0, size: 1 },
        Range { container: own.saturating_add(1), host: own.saturating_add(1), size: others - below },
    ];
    all.into_iter().filter(|range| range.size > 0).collect()
}

/// All but the user's own.
fn without_first(total: u32) -> Result<Vec<Range>, SettleError> {
    match total.saturating_sub(1) {
        0 => Err(SettleError::NoSubordinates),
        size => Ok(vec![Range { container: 0, host: 1, size }]),
    }
}

fn mapped(wanted: &Wanted) -> Result<(Vec<Range>, Vec<Range>), SettleError> {
    let here = Here::read()?;
    // What a rootless container has anyhow; of root's nobody means to extend the host's own.
    let base = |ranges: &[Range]| match here.user {
        Some(_) => vec![Range { container: 0, host: 0, size: total(ranges) }],
        None => Vec::new(),
    };
    let (subuid, subgid) = match (&wanted.subuid, &wanted.subgid) {
        (Some(uid), None) => (Some(uid), Some(uid)),
        (None, Some(gid)) => (Some(gid), Some(gid)),
        (uid, gid) => (uid.as_ref(), gid.as_ref()),
    };
    let ranges = |kind, list: &[WantedRange], named: Option<&String>, file, here: &[Range]| match named {
        Some(user) if list.is_empty() => of_file(file, user),
        _ => compose(kind, list, here, base(here)),
    };
    let uids = ranges("uid", &wanted.uids, subuid, "/etc/subuid", &here.uids)?;
    let gids = ranges("gid", &wanted.gids, subgid, "/etc/subgid", &here.gids)?;
    match (uids.is_empty(), gids.is_empty()) {
        (true, true) => Err(SettleError::NoRanges),
        (true, false) => Ok((gids.clone(), gids)),
        (false, true) => Ok((uids.clone(), uids)),
        (false, false) => Ok((uids, gids)),
    }
}

/// All ranges of a user, one after the other from 0 on.
pub(super) fn of_file(file: &'static str, user: &str) -> Result<Vec<Range>, SettleError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| SettleError::Read { path: Path::new(file).to_owned(), source })?;
    let mut next = 0u32;
    let mut ranges = Vec::new();
    for range::Range { start, count } in range::of(&text, Some(user), u32::MAX) {
        ranges.push(Range { container: next, host: start, size: count });
        next = next.saturating_add(count);
    }
    match ranges.is_empty() {
        true => Err(SettleError::NoRangeOf { file, user: user.to_owned() }),
        false => Ok(ranges),
    }
}

/// `list` over what is `base`, if one of them extends that; `here` maps ids of the host to those that can be given.
pub(super) fn compose(
    kind: &'static str,
    list: &[WantedRange],
    here: &[Range],
    base: Vec<Range>,
) -> Result<Vec<Range>, SettleError> {
    let mut ranges = if list.iter().any(|range| range.extends) { base } else { Vec::new() };
    for wanted in list {
        let host = match wanted.of_host {
            false => wanted.from,
            true => {
                namespace::within(here, wanted.from).ok_or(SettleError::NotHere { kind, id: wanted.from })?
            }
        };
        let new = Range { container: wanted.container, host, size: wanted.size };
        if wanted.extends {
            ranges = ranges.iter().flat_map(|old| around(*old, new)).collect();
        }
        ranges.push(new);
    }
    ranges.sort_by_key(|range| range.container);
    Ok(ranges)
}

/// What is left of `old` when `new` takes its ids, inside and outside.
fn around(old: Range, new: Range) -> Vec<Range> {
    let end = |start: u32, size: u32| u64::from(start) + u64::from(size);
    // Offsets in `old` that are taken, by either side.
    let taken = |start: u32, of: u32| {
        let from = u64::from(of).saturating_sub(start.into());
        let to = end(of, new.size).saturating_sub(start.into());
        (from.min(old.size.into()), to.min(old.size.into()))
    };
    let mut cuts = [taken(old.container, new.container), taken(old.host, new.host)];
    cuts.sort_unstable();
    let mut left = Vec::new();
    let mut at = 0u64;
    for (from, to) in cuts.into_iter().filter(|(from, to)| to > from).chain([(old.size.into(), u64::MAX)]) {
        if from > at {
            let part = |start: u32| start + u32::try_from(at).unwrap_or(0);
            let size = u32::try_from(from - at).unwrap_or(0);
            left.push(Range { container: part(old.container), host: part(old.host), size });
        }
        at = at.max(to);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ranges: &[Range]) -> String {
        let line = |range: &Range| format!("{} {} {}", range.container, range.host, range.size);
        ranges.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    fn wanted(container: u32, from: u32, size: u32, flags: &str) -> WantedRange {
        WantedRange { container, from, size, of_host: flags.contains('@'), extends: flags.contains('+') }
    }

    #[test]
    fn the_users_own_id_is_kept() {
        for (own, total, size, expected) in [
            (1000, 65537, None, "0 1 1000, 1000 0 1, 1001 1001 64536"),
            (200, 65537, None, "0 1 200, 200 0 1, 201 201 65336"),
            (0, 65537, None, "0 0 1, 1 1 65536"),
            (1000, 65537, Some(2000), "0 1 1000, 1000 0 1, 1001 1001 1000"),
            (1000, 11, None, "0 1 10, 1000 0 1"),
            (1000, 1, None, "1000 0 1"),
        ] {
            assert_eq!(shown(&kept(own, total, size)), expected, "{own} {total}");
        }
    }

    #[test]
    fn composed() {
        let here =
            [Range { container: 0, host: 1000, size: 1 }, Range { container: 1, host: 100_000, size: 65536 }];
        let base = vec![Range { container: 0, host: 0, size: 65537 }];
        for (list, expected) in [
            (vec![wanted(0, 1, 10, "")], "0 1 10"),
            (vec![wanted(0, 100_000, 10, "@")], "0 1 10"),
            (vec![wanted(5, 1000, 1, "+@")], "1 1 4, 5 0 1, 6 6 65531"),
            (vec![wanted(100_000, 2, 1, "+")], "0 0 2, 3 3 65534, 100000 2 1"),
            (vec![wanted(10, 0, 1, ""), wanted(0, 1, 10, "")], "0 1 10, 10 0 1"),
        ] {
            assert_eq!(shown(&compose("uid", &list, &here, base.clone()).unwrap()), expected);
        }
        let error = compose("uid", &[wanted(0, 7, 1, "@")], &here, base).unwrap_err().to_string();
        assert!(error.contains("the host's id 7"), "{error}");
    }
}
