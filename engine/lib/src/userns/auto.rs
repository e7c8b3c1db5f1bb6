//! `--userns auto`: ids that no other container has.

use std::fs::File;
use std::os::fd::OwnedFd;

use ketch_runtime::plan::ids::Range;
use ketch_sys::Errno;

use super::settle::{Here, SettleError, compose, of_file, total};
use crate::Engine;
use crate::container::options::{Auto, IdRange, Options, Userns};
use crate::container::{make_private, read_in_root};
use crate::image::Image;
use crate::spec;
use crate::store;

/// Whose ranges of /etc/subuid and /etc/subgid root's containers get, as with podman.
const OWNER: &str = "containers";
/// podman's bounds of the size, where it is not given.
const SMALLEST: u32 = 1024;
const LARGEST: u32 = 65536;
/// nobody is everywhere, and needs no place.
const NOBODY: u32 = 65534;

/// The maps, from what is free at this moment: whoever adds the container looks again.
pub(super) fn choose(
    engine: &Engine,
    options: &Options,
    image: Option<&Image>,
    auto: &Auto,
) -> Result<(Vec<Range>, Vec<Range>), SettleError> {
    let here = Here::read()?;
    let size = match auto.size {
        Some(size) => size,
        None => size(engine, options, image)?,
    };
    // The user's own id is nobody's to give away.
    let own = |ranges: &[Range]| vec![Range { container: 0, host: 1, size: total(ranges).saturating_sub(1) }];
    let (of_uids, of_gids) = match here.user {
        Some(_) => (own(&here.uids), own(&here.gids)),
        None => (of_file("/etc/subuid", OWNER)?, of_file("/etc/subgid", OWNER)?),
    };
    let all = engine.db.containers()?;
    let taken = |list: fn(&Userns) -> &[IdRange]| -> Vec<IdRange> {
        all.iter().flat_map(|record| list(&record.options.userns)).copied().collect()
    };
    let uids = compose("uid", &auto.uids, &here.uids, Vec::new())?;
    let gids = compose("gid", &auto.gids, &here.gids, Vec::new())?;
    Ok((
        fill(uids, size, &of_uids, &taken(|userns| &userns.uids), "user")?,
        fill(gids, size, &of_gids, &taken(|userns| &userns.gids), "group")?,
    ))
}

/// `given`, and the other ids below `size` from one free range.
fn fill(
    given: Vec<Range>,
    size: u32,
    available: &[Range],
    taken: &[IdRange],
    kind: &'static str,
) -> Result<Vec<Range>, SettleError> {
    let mut missing = vec![Range { container: 0, host: 0, size }];
    for range in &given {
        missing = missing.into_iter().flat_map(|whole| without(whole, *range)).collect();
    }
    let count = total(&missing);
    let fixed: Vec<IdRange> = given.iter().copied().map(IdRange::from).collect();
    let used = || taken.iter().chain(&fixed);
    let mut host = free(count, available, &used()).ok_or(SettleError::NoneFree { kind, count })?;
    let mut ranges = given;
    for range in missing {
        ranges.push(Range { host, ..range });
        host = host.saturating_add(range.size);
    }
    ranges.sort_by_key(|range| range.container);
    Ok(ranges)
}

/// The first of `count` ids that are in one of `available` and in none of `taken`.
fn free<'a>(
    count: u32,
    available: &[Range],
    taken: &(impl Iterator<Item = &'a IdRange> + Clone),
) -> Option<u32> {
    let end = |start: u32, size: u32| u64::from(start) + u64::from(size);
    available.iter().find_map(|range| {
        let last = end(range.host, range.size);
        let mut start = u64::from(range.host);
        loop {
            let stop = start + u64::from(count);
            if stop > last {
                return None;
            }
            let in_the_way = taken
                .clone()
                .find(|taken| u64::from(taken.host) < stop && start < end(taken.host, taken.size));
            match in_the_way {
                Some(taken) => start = end(taken.host, taken.size),
                None => return u32::try_from(start).ok(),
            }
        }
    })
}

/// What is left of `whole` without the container's ids of `range`.
fn without(whole: Range, range: Range) -> Vec<Range> {
    let end = |range: Range| range.container.saturating_add(range.size);
    let below = range.container.min(end(whole)).saturating_sub(whole.container);
    let above = end(whole).saturating_sub(end(range).max(whole.container));
    let parts = [(whole.container, below), (end(whole) - above, above)];
    parts
        .map(|(container, size)| Range { container, host: 0, size })
        .into_iter()
        .filter(|r| r.size > 0)
        .collect()
}

/// Whether both have an id of the host's that is the same.
pub(crate) fn overlap(a: &Userns, b: &Userns) -> bool {
    let end = |range: &IdRange| u64::from(range.host) + u64::from(range.size);
    let any = |a: &[IdRange], b: &[IdRange]| {
        a.iter().any(|a| b.iter().any(|b| u64::from(a.host) < end(b) && u64::from(b.host) < end(a)))
    };
    any(&a.uids, &b.uids) || any(&a.gids, &b.gids)
}

/// podman's rule: the highest id that the image's accounts or the container's user have.
fn size(engine: &Engine, options: &Options, image: Option<&Image>) -> Result<u32, SettleError> {
    let root = root(engine, options, image)?;
    let read = |path| read_in_root(&root, path).map_err(|error| SettleError::Image(Box::new(error)));
    let (passwd, group) = (read("etc/passwd")?, read("etc/group")?);
    let of_image = image.and_then(|image| image.config.config().as_ref()?.user().clone());
    let user = options.user.clone().filter(|user| !user.is_empty()).or(of_image).unwrap_or_default();
    let user = spec::resolve_user(&user, &options.groups, &passwd, &group)
        .map_err(|error| SettleError::User(Box::new(error)))?;
    let own = [user.uid, user.gid].into_iter().chain(user.groups);
    let highest = spec::account_ids(&passwd).chain(spec::account_ids(&group));
    let highest = highest.filter(|id| *id != NOBODY && *id < LARGEST).chain(own).max().unwrap_or(0);
    Ok(highest.saturating_add(1).max(SMALLEST))
}

fn root(engine: &Engine, options: &Options, image: Option<&Image>) -> Result<OwnedFd, SettleError> {
    let failed = |errno: Errno| SettleError::Mount(errno);
    match (&options.rootfs, image) {
        (Some(rootfs), _) => File::open(&rootfs.path)
            .map(OwnedFd::from)
            .map_err(|source| SettleError::Read { path: rootfs.path.clone(), source }),
        (None, Some(image)) => {
            let empty = engine.paths.run.join("rootfs");
            make_private(&empty)
                .map_err(|error| SettleError::Read { path: error.path, source: error.source })?;
            store::merged(&engine.paths, &image.layers, &empty).map_err(failed)
        }
        (None, None) => Err(failed(Errno::ENOENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(container: u32, host: u32, size: u32) -> Range {
        Range { container, host, size }
    }

    #[test]
    fn filled_from_what_is_free() {
        let available = [range(0, 1000, 100), range(0, 5000, 10_000)];
        let taken = [IdRange { container: 0, host: 5500, size: 1000 }];
        for (given, size, expected) in [
            (vec![], 100, Some(vec![range(0, 1000, 100)])),
            (vec![], 500, Some(vec![range(0, 5000, 500)])),
            (vec![], 501, Some(vec![range(0, 6500, 501)])),
            (vec![], 9000, None),
            (vec![range(0, 1, 10)], 100, Some(vec![range(0, 1, 10), range(10, 1000, 90)])),
            (
                vec![range(50, 1010, 10)],
                100,
                Some(vec![range(0, 5000, 50), range(50, 1010, 10), range(60, 5050, 40)]),
            ),
        ] {
            let filled = fill(given.clone(), size, &available, &taken, "user").ok();
            assert_eq!(filled, expected, "{given:?} {size}");
        }
    }

    #[test]
    fn overlaps() {
        let of = |host, size| Userns {
            uids: vec![IdRange { container: 0, host, size }],
            gids: vec![IdRange { container: 0, host, size }],
            ..Userns::default()
        };
        assert!(overlap(&of(10, 10), &of(19, 1)) && overlap(&of(19, 1), &of(10, 10)));
        assert!(!overlap(&of(10, 10), &of(20, 1)) && !overlap(&of(10, 10), &Userns::default()));
    }
}
