//! Who the process runs as: `USER[:GROUP]`, names looked up in the image's own passwd and group.

use oci_spec::image::Config;

use super::{Facts, SpecError, Workdir, accounts};
use crate::container::options::Options;

/// The highest uid or gid that podman takes.
const MAX_ID: u32 = i32::MAX as u32;

/// A user of the container, resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// From passwd; None when it has no entry for the user.
    pub home: Option<String>,
    /// The user asked for is a number that passwd does not know, as its text.
    pub unknown_user: Option<String>,
    /// The group asked for is a number that group does not know, as its text.
    pub unknown_group: Option<String>,
}

/// The user of a new container: `--user`, or the image's.
pub(super) fn of(
    options: &Options,
    image: Option<&Config>,
    facts: &Facts<'_>,
    workdir: &Workdir,
) -> Result<Identity, SpecError> {
    let of_image = image.and_then(|image| image.user().as_deref());
    let user = options.user.as_deref().filter(|user| !user.is_empty()).or(of_image).unwrap_or_default();
    if facts.host.users.is_empty() {
        return resolve(user, &options.groups, facts.passwd, facts.group);
    }
    resolve(user, &options.groups, &accounts::with_host_users(facts, workdir), facts.group)
}

/// Resolves `user` (empty: root) and the groups to `add`, with the bytes of the image's `/etc/passwd` and `/etc/group`.
///
/// Lines that are not well-formed are passed over, as in libc. With a group named explicitly, group's member lists
/// are not consulted, as in podman.
pub fn resolve(user: &str, add: &[String], passwd: &[u8], group: &[u8]) -> Result<Identity, SpecError> {
    let (name, group_name) = user.split_once(':').map_or((user, None), |(user, group)| (user, Some(group)));
    let group_name = group_name.filter(|name| !name.is_empty());
    let explicit = !user.is_empty();

    let mut identity = find_user(name, passwd)?;
    let login = identity.login.take();
    let mut identity = identity.identity;
    match group_name {
        Some(name) => match find_group(name, group)? {
            Group::Known(gid) => identity.gid = gid,
            Group::Unknown(gid) => {
                identity.gid = gid;
                identity.unknown_group = Some(name.to_owned());
            }
        },
        None => {
            if let Some(login) = &login {
                identity.groups = memberships(login, group);
            }
        }
    }
    if explicit {
        identity.groups.retain(|gid| *gid != identity.gid);
        identity.groups.insert(0, identity.gid);
    }
    for name in add {
        let (Group::Known(gid) | Group::Unknown(gid)) = find_group(name, group)?;
        if !identity.groups.contains(&gid) {
            identity.groups.push(gid);
        }
    }
    Ok(identity)
}

struct Found {
    identity: Identity,
    /// The login name, when passwd has one.
    login: Option<String>,
}

fn find_user(name: &str, passwd: &[u8]) -> Result<Found, SpecError> {
    let wanted = if name.is_empty() { "0" } else { name };
    let number = number(wanted)?;
    // A name that looks like a number is still a name first.
    let entry = entries(passwd)
        .find(|fields| fields.first() == Some(&wanted))
        .or_else(|| number.and_then(|uid| entries(passwd).find(|fields| id(fields, 2) == Some(uid))));

    if let Some(fields) = entry
        && let (Some(uid), Some(gid)) = (id(&fields, 2), id(&fields, 3))
    {
        let home = fields.get(5).filter(|home| !home.is_empty()).map(|home| (*home).to_owned());
        let identity = Identity { uid, gid, home, ..Identity::default() };
        return Ok(Found { identity, login: Some(fields[0].to_owned()) });
    }
    let uid = number.ok_or_else(|| SpecError::UnknownUser(name.to_owned()))?;
    let unknown_user = (uid != 0).then(|| name.to_owned());
    Ok(Found { identity: Identity { uid, unknown_user, ..Identity::default() }, login: None })
}

enum Group {
    Known(u32),
    Unknown(u32),
}

fn find_group(name: &str, group: &[u8]) -> Result<Group, SpecError> {
    let number = number(name)?;
    let by_name =
        entries(group).find(|fields| fields.first() == Some(&name)).and_then(|fields| id(&fields, 2));
    if let Some(gid) = by_name {
        return Ok(Group::Known(gid));
    }
    let gid = number.ok_or_else(|| SpecError::UnknownGroup(name.to_owned()))?;
    let known = entries(group).any(|fields| id(&fields, 2) == Some(gid));
    Ok(if known { Group::Known(gid) } else { Group::Unknown(gid) })
}

/// The groups that list `login` as a member, in the file's order.
fn memberships(login: &str, group: &[u8]) -> Vec<u32> {
    let member =
        |fields: &Vec<&str>| fields.get(3).is_some_and(|list| list.split(',').any(|name| name == login));
    let mut groups = Vec::new();
    for gid in entries(group).filter(member).filter_map(|fields| id(&fields, 2)) {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    groups
}

/// The number that `text` is; None when it is no number, an error when it is out of range.
fn number(text: &str) -> Result<Option<u32>, SpecError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(number) if number <= MAX_ID => Ok(Some(number)),
        _ => Err(SpecError::IdRange(text.to_owned())),
    }
}

/// The numbers of all lines of a passwd or group.
pub(crate) fn ids(file: &[u8]) -> impl Iterator<Item = u32> {
    entries(file).filter_map(|fields| id(&fields, 2))
}

pub(super) fn id(fields: &[&str], index: usize) -> Option<u32> {
    fields.get(index)?.parse().ok().filter(|id| *id <= MAX_ID)
}

pub(super) fn entries(file: &[u8]) -> impl Iterator<Item = Vec<&str>> {
    file.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        broken\n\
        www:x:33:33:www:/var/www:/bin/sh\n\
        joe:x:1000:1000::/home/joe:/bin/sh\n\
        42:x:500:500::/home/42:/bin/sh\n\
        huge:x:4294967295:0::/:/bin/sh\n";
    const GROUP: &[u8] = b"root:x:0:\nwww:x:33:\njoe:x:1000:\naudio:x:29:joe,www\ndisk:x:6:root,joe\n";

    /// podman 5.8's answers for the same files, seen in its config.json.
    #[test]
    fn users() {
        let cases: &[(&str, u32, u32, &[u32], Option<&str>)] = &[
            ("", 0, 0, &[6], Some("/root")),
            ("root", 0, 0, &[0, 6], Some("/root")),
            ("0", 0, 0, &[0, 6], Some("/root")),
            ("0:6", 0, 6, &[6], Some("/root")),
            (":29", 0, 29, &[29], Some("/root")),
            ("joe", 1000, 1000, &[1000, 29, 6], Some("/home/joe")),
            ("joe:", 1000, 1000, &[1000, 29, 6], Some("/home/joe")),
            ("1000", 1000, 1000, &[1000, 29, 6], Some("/home/joe")),
            ("joe:audio", 1000, 29, &[29], Some("/home/joe")),
            ("1234", 1234, 0, &[0], None),
            ("1234:audio", 1234, 29, &[29], None),
            ("1234:4321", 1234, 4321, &[4321], None),
            ("42", 500, 500, &[500], Some("/home/42")),
        ];
        for (user, uid, gid, groups, home) in cases {
            let got = resolve(user, &[], PASSWD, GROUP).unwrap();
            assert_eq!(
                (got.uid, got.gid, &got.groups[..], got.home.as_deref()),
                (*uid, *gid, *groups, *home),
                "{user:?}"
            );
        }
    }

    #[test]
    fn refusals() {
        for (user, expected) in [
            ("nobody", "unable to find user nobody"),
            ("huge", "unable to find user huge"),
            ("0:nogroup", "unable to find group nogroup"),
            ("4294967296", "range 0-2147483647"),
            ("4294967295", "range 0-2147483647"),
            ("2147483648", "range 0-2147483647"),
            ("0:4294967295", "range 0-2147483647"),
            ("-1", "unable to find user -1"),
        ] {
            let error = resolve(user, &[], PASSWD, GROUP).unwrap_err().to_string();
            assert!(error.contains(expected), "{user}: {error}");
        }
    }

    #[test]
    fn added_groups() {
        let add = ["audio".to_owned(), "44".to_owned(), "disk".to_owned()];
        assert_eq!(resolve("", &add, PASSWD, GROUP).unwrap().groups, [6, 29, 44]);
        assert!(resolve("", &["nogroup".to_owned()], PASSWD, GROUP).is_err());
    }

    #[test]
    fn empty_files() {
        let root = resolve("", &[], b"", b"").unwrap();
        assert_eq!(root, Identity::default());
        assert!(resolve("root", &[], b"", b"").is_err());
    }

    #[test]
    fn unknown_numbers_are_told() {
        let got = resolve("1234:4321", &[], PASSWD, GROUP).unwrap();
        assert_eq!((got.unknown_user.as_deref(), got.unknown_group.as_deref()), (Some("1234"), Some("4321")));
        let got = resolve("1000:29", &[], PASSWD, GROUP).unwrap();
        assert_eq!((got.unknown_user, got.unknown_group), (None, None));
    }
}
