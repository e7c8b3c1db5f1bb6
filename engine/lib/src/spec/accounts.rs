//! Lines for the image's `/etc/passwd` and `/etc/group`: users of the host, and whom the container runs as when the image
//! does not know them.

use super::user::{self, Identity};
use super::{Facts, SpecError, Workdir};
use crate::container::options::Options;

/// A user of the host's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostUser {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    /// The real name.
    pub comment: String,
}

/// To be appended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    pub passwd: Vec<String>,
    pub group: Vec<String>,
}

/// Finds the users that `--hostuser` names in the host's passwd.
pub(super) fn find(wanted: &[String], passwd: &[u8]) -> Result<Vec<HostUser>, SpecError> {
    wanted.iter().map(|name| one(name, passwd)).collect()
}

fn one(name: &str, passwd: &[u8]) -> Result<HostUser, SpecError> {
    let unknown = || SpecError::UnknownHostUser(name.to_owned());
    let by_name = user::entries(passwd).find(|fields| fields[0] == name);
    let fields = by_name
        .or_else(|| user::entries(passwd).find(|fields| fields.get(2) == Some(&name)))
        .ok_or_else(unknown)?;
    let (uid, gid) = user::id(&fields, 2).zip(user::id(&fields, 3)).ok_or_else(unknown)?;
    let comment = fields.get(4).copied().unwrap_or_default().to_owned();
    Ok(HostUser { name: fields[0].to_owned(), uid, gid, comment })
}

/// The image's passwd with the host's users.
pub(super) fn with_host_users(facts: &Facts<'_>, workdir: &Workdir) -> Vec<u8> {
    let mut passwd = facts.passwd.to_vec();
    if !passwd.is_empty() && !passwd.ends_with(b"\n") {
        passwd.push(b'\n');
    }
    for line in host_lines(facts, workdir) {
        passwd.extend(line.bytes());
        passwd.push(b'\n');
    }
    passwd
}

/// podman's lines; a name that the image has already is left alone.
fn host_lines(facts: &Facts<'_>, workdir: &Workdir) -> Vec<String> {
    let home = workdir.path.display();
    let known = |name: &str| user::entries(facts.passwd).any(|fields| fields[0] == name);
    let line = |user: &HostUser| {
        format!("{}:*:{}:{}:{}:{home}:/bin/sh", user.name, user.uid, user.gid, user.comment)
    };
    facts.host.users.iter().filter(|user| !known(&user.name)).map(line).collect()
}

/// All lines. `--passwd-entry` and `--group-entry` are other texts for those of a user and a group that are numbers without
/// a name, and nothing when they have one, as with podman.
pub(super) fn lines(options: &Options, facts: &Facts<'_>, user: &Identity, workdir: &Workdir) -> Lines {
    let accounts = &options.accounts;
    if accounts.none {
        return Lines::default();
    }
    let mut lines = Lines { passwd: host_lines(facts, workdir), group: Vec::new() };
    let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
    let home = workdir.path.display().to_string();
    if let Some(name) = &user.unknown_user {
        let text = accounts.passwd_entry.as_deref().unwrap_or("$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh");
        let values = [
            ("$USERNAME", name.as_str()),
            ("$UID", &uid),
            ("$GID", &gid),
            ("$NAME", "container user"),
            ("$HOME", &home),
        ];
        lines.passwd.push(expand(text, &values));
    }
    if let Some(name) = &user.unknown_group {
        let text = accounts.group_entry.as_deref().unwrap_or("$GROUPNAME:x:$GID:$USERLIST");
        let members = user.unknown_user.as_deref().unwrap_or_default();
        let values = [("$GROUPNAME", name.as_str()), ("$GID", &gid), ("$USERLIST", members)];
        lines.group.push(expand(text, &values));
    }
    lines
}

fn expand(text: &str, values: &[(&str, &str)]) -> String {
    let expanded = values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    expanded.trim_end_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_users() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nkim:x:1000:1001:Kim,,,:/home/kim:/bin/zsh\n";
        let found = find(&["kim".to_owned(), "0".to_owned()], passwd).unwrap();
        let kim = HostUser { name: "kim".to_owned(), uid: 1000, gid: 1001, comment: "Kim,,,".to_owned() };
        assert_eq!(found[0], kim);
        assert_eq!((found[1].name.as_str(), found[1].uid), ("root", 0));
        assert!(find(&["nobody-here".to_owned()], passwd).is_err());
    }

    #[test]
    fn entries() {
        let values = [("$USERNAME", "7"), ("$UID", "7")];
        assert_eq!(expand("$USERNAME:*:$UID:x\n", &values), "7:*:7:x");
    }
}
