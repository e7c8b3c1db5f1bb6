//! Id-mapped binds: runtime-spec, config, "mounts" (`idmap`, `ridmap`, `uidMappings`, `gidMappings`), and crun's option
//! `idmap=uids=0-1000-10;gids=0-1000-10`.

use super::ids::{self, Maps, Range};
use super::mount::UserNamespace;
use crate::spec;

/// How a mount shows its file system's ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMap {
    /// For the mounts below it too.
    pub recursive: bool,
    pub mapping: Mapping,
}

/// An id of the file system, the first of a range, becomes one of the host, the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    Ranges(Maps),
    /// As the user namespace does that the container joins.
    OfJoined,
}

/// What the options of a mount say of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) recursive: bool,
    /// crun's ranges.
    pub(super) ranges: Option<&'a str>,
}

/// Fields decide over the option, as in the specification; without either the container's own mapping does.
pub(super) fn plan(
    mount: &spec::Mount,
    asked: Option<Asked<'_>>,
    user: UserNamespace<'_>,
) -> Result<Option<IdMap>, String> {
    let given = |field: &Option<Vec<spec::LinuxIdMapping>>| -> Vec<Range> {
        field.iter().flatten().map(Range::from).collect()
    };
    let of_fields = Maps { uids: given(mount.uid_mappings()), gids: given(mount.gid_mappings()) };
    let recursive = asked.is_some_and(|asked| asked.recursive);
    let mapping = match (of_fields.uids.is_empty(), of_fields.gids.is_empty()) {
        (true, true) => match (asked, user) {
            (None, _) => return Ok(None),
            (Some(Asked { ranges: Some(text), .. }), _) => Mapping::Ranges(read(text, user)?),
            (Some(_), UserNamespace::New(maps)) => Mapping::Ranges(maps.clone()),
            (Some(_), UserNamespace::Joined) => Mapping::OfJoined,
            (Some(_), UserNamespace::None) => {
                return Err("`idmap` needs uidMappings and gidMappings, or a user namespace".to_owned());
            }
        },
        (false, false) if asked.is_some_and(|asked| asked.ranges.is_some()) => {
            return Err("has both uidMappings and an `idmap=`".to_owned());
        }
        (false, false) => Mapping::Ranges(of_fields),
        (false, true) => return Err("uidMappings without gidMappings".to_owned()),
        (true, false) => return Err("gidMappings without uidMappings".to_owned()),
    };
    if let Mapping::Ranges(maps) = &mapping {
        ids::check(&maps.uids).map_err(|reason| format!("uidMappings: {reason}"))?;
        ids::check(&maps.gids).map_err(|reason| format!("gidMappings: {reason}"))?;
    }
    Ok(Some(IdMap { recursive, mapping }))
}

/// crun(1), "idmap mount options": `uids=0-1-10#10-11-10;gids=@0-100-10`. After `@` the second number is an id of the
/// container.
fn read(text: &str, user: UserNamespace<'_>) -> Result<Maps, String> {
    let mut maps = Maps::default();
    for part in text.split(';').filter(|part| !part.is_empty()) {
        let (key, ranges) =
            part.split_once('=').ok_or_else(|| format!("idmap={text}: {part:?} is unknown"))?;
        let (list, of): (_, fn(&Maps) -> &[Range]) = match key {
            "uids" => (&mut maps.uids, |maps| &maps.uids),
            "gids" => (&mut maps.gids, |maps| &maps.gids),
            _ => return Err(format!("idmap={text}: {key:?} is unknown")),
        };
        for range in ranges.split('#') {
            let range = read_range(range, user, of).ok_or_else(|| {
                format!("idmap={text}: {range:?} is no FIRST-HOST-SIZE, or not of the container's ids")
            })?;
            list.push(range);
        }
    }
    if maps.uids.is_empty() || maps.gids.is_empty() {
        return Err(format!("idmap={text}: uids and gids are both needed"));
    }
    Ok(maps)
}

fn read_range(text: &str, user: UserNamespace<'_>, of: fn(&Maps) -> &[Range]) -> Option<Range> {
    let (text, relative) = text.strip_prefix('@').map_or((text, false), |text| (text, true));
    let numbers: Vec<u32> = text.split('-').map(str::parse::<u32>).collect::<Result<_, _>>().ok()?;
    let [container, host, size] = numbers.try_into().ok()?;
    let host = match (relative, user) {
        (false, _) => host,
        (true, UserNamespace::New(maps)) => {
            // Not split where the container's ranges end: the last one must be as far from the first.
            let (first, last) =
                (ids::host(of(maps), host)?, ids::host(of(maps), host.checked_add(size.checked_sub(1)?)?)?);
            (last.wrapping_sub(first) == size - 1).then_some(first)?
        }
        (true, _) => return None,
    };
    Some(Range { container, host, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(container: u32, host: u32, size: u32) -> Range {
        Range { container, host, size }
    }

    fn planned(fields: &str, user: UserNamespace<'_>) -> Result<Option<IdMap>, String> {
        let mut mount = serde_json::json!({"destination": "/x", "source": "/y", "options": ["bind"]});
        let fields: serde_json::Map<_, _> = serde_json::from_str(fields).expect("a JSON object");
        mount.as_object_mut().expect("an object").extend(fields);
        let mount: spec::Mount = serde_json::from_value(mount).expect("a mount");
        let option = mount.options().iter().flatten().find(|word| word.contains("idmap"));
        let asked = option.map(|word| Asked {
            recursive: word.starts_with('r'),
            ranges: word.split_once('=').map(|(_, ranges)| ranges),
        });
        plan(&mount, asked, user)
    }

    #[test]
    fn mappings() {
        let own = Maps { uids: vec![range(0, 0, 1), range(1, 2, 1000)], gids: vec![range(0, 100, 10)] };
        let fields = Maps { uids: vec![range(0, 1000, 1)], gids: vec![range(0, 1001, 1)] };
        let both = r#""uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                      "gidMappings": [{"containerID": 0, "hostID": 1001, "size": 1}]"#;
        let text = |text: &str| format!(r#"{{"options": ["bind", "{text}"]}}"#);
        for (mount, user, expected) in [
            ("{}".to_owned(), UserNamespace::New(&own), None),
            (format!("{{{both}}}"), UserNamespace::None, Some((false, Mapping::Ranges(fields.clone())))),
            (
                format!(r#"{{"options": ["rbind", "ridmap"], {both}}}"#),
                UserNamespace::New(&own),
                Some((true, Mapping::Ranges(fields))),
            ),
            (text("idmap"), UserNamespace::New(&own), Some((false, Mapping::Ranges(own.clone())))),
            (text("ridmap"), UserNamespace::Joined, Some((true, Mapping::OfJoined))),
            (
                text("idmap=uids=0-1-10#10-11-10;gids=0-100-10"),
                UserNamespace::None,
                Some((
                    false,
                    Mapping::Ranges(Maps {
                        uids: vec![range(0, 1, 10), range(10, 11, 10)],
                        gids: vec![range(0, 100, 10)],
                    }),
                )),
            ),
            (
                text("idmap=uids=@1-3-10;gids=@5-2-1"),
                UserNamespace::New(&own),
                Some((
                    false,
                    Mapping::Ranges(Maps { uids: vec![range(1, 4, 10)], gids: vec![range(5, 102, 1)] }),
                )),
            ),
        ] {
            let expected = expected.map(|(recursive, mapping)| IdMap { recursive, mapping });
            assert_eq!(planned(&mount, user).expect("valid"), expected, "{mount}");
        }
    }

    #[test]
    fn refused() {
        let own = Maps { uids: vec![range(0, 0, 1), range(1, 5, 9)], gids: vec![range(0, 0, 10)] };
        let one = r#"[{"containerID": 0, "hostID": 1000, "size": 1}]"#;
        for (mount, part) in [
            (r#"{"options": ["bind", "idmap"]}"#.to_owned(), "needs uidMappings"),
            (format!(r#"{{"uidMappings": {one}}}"#), "without gidMappings"),
            (format!(r#"{{"gidMappings": {one}}}"#), "without uidMappings"),
            (
                format!(
                    r#"{{"options": ["idmap=uids=0-1-1;gids=0-1-1"], "uidMappings": {one}, "gidMappings": {one}}}"#
                ),
                "both",
            ),
            (
                format!(
                    r#"{{"uidMappings": {one}, "gidMappings": [{{"containerID": 0, "hostID": 0, "size": 0}}]}}"#
                ),
                "gidMappings: a range has size 0",
            ),
            (r#"{"options": ["idmap=uids=0-1-10"]}"#.to_owned(), "both needed"),
            (r#"{"options": ["idmap=uids=0-1;gids=0-1-1"]}"#.to_owned(), "FIRST-HOST-SIZE"),
            (r#"{"options": ["idmap=users=0-1-1"]}"#.to_owned(), "\"users\" is unknown"),
            (r#"{"options": ["idmap=uids=@0-1-1;gids=0-1-1"]}"#.to_owned(), "container's ids"),
        ] {
            let error = planned(&mount, UserNamespace::None).expect_err(&mount);
            assert!(error.contains(part), "{mount}: {error}");
        }
        // Across two of the container's ranges.
        let across = r#"{"options": ["idmap=uids=@0-0-2;gids=0-0-1"]}"#;
        assert!(planned(across, UserNamespace::New(&own)).is_err());
    }
}
