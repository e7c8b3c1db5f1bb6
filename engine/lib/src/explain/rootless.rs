//! What ordinary users need: user namespaces, and ids to fill them with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ketch_sys::xattr;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::User;

use super::child::{drop_root, tried};
use super::{Caller, Capability, failed, line, no, tell, yes};
use crate::rootless::has_range;

pub(super) fn explain(caller: &Caller) -> Vec<Capability> {
    let mut list = vec![user_namespaces()];
    list.extend(["/etc/subuid", "/etc/subgid"].map(|file| range(caller, file)));
    list.extend(["newuidmap", "newgidmap"].map(|name| helper(caller, name)));
    list
}

/// What may forbid them, the value that does, and what allows them.
const SYSCTLS: [(&str, &str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user.max_user_namespaces", "0", "10000"),
];

fn user_namespaces() -> Capability {
    let made =
        tried(|| drop_root().and_then(|()| unshare(CloneFlags::CLONE_NEWUSER).map_err(failed("unshare"))));
    let value = |name: &str| line(&format!("/proc/sys/{}", name.replace('.', "/")));
    let guilty = SYSCTLS.iter().find(|(name, bad, _)| value(name).as_deref() == Some(bad));
    let cure = match guilty {
        Some((name, _, good)) => format!("sysctl {name}={good}"),
        None => {
            "a kernel with CONFIG_USER_NS, or a seccomp filter around ketch that lets them through".to_owned()
        }
    };
    tell("user namespaces", made, "an ordinary user has made one", Some(&cure))
}

fn range(caller: &Caller, file: &'static str) -> Capability {
    let name = if file == "/etc/subuid" { "subordinate uids" } else { "subordinate gids" };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let reason = format!("cannot read {file}: {}", crate::store::cause(&error));
            return no(
                name,
                reason,
                Some("install the package uidmap, then: usermod --add-subuids … --add-subgids … USER"),
            );
        }
    };
    if caller.is_root() {
        let users = text.lines().filter(|line| line.contains(':')).count();
        return match users {
            0 => no(
                name,
                format!("nobody has a range in {file}"),
                Some("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER"),
            ),
            _ => yes(name, format!("ranges in {file}: {users}")),
        };
    }
    let user = User::from_uid(caller.uid).ok().flatten().map(|user| user.name);
    let who = user.clone().unwrap_or_else(|| caller.uid.to_string());
    if has_range(&text, user.as_deref(), caller.uid) {
        return yes(name, format!("{who} has a range in {file}"));
    }
    let cure = format!("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}");
    no(name, format!("{who} has no range in {file}: it has one id in its containers"), Some(&cure))
}

/// It must be allowed to write other people's maps: by the mode, or by a capability of the file.
fn helper(caller: &Caller, name: &'static str) -> Capability {
    const INSTALL: Option<&str> = Some("install the package uidmap (Debian) or shadow-utils");
    let Some(path) = caller.program(name) else { return no(name, "not found in PATH", INSTALL) };
    let shown = path.display();
    let is_of_root = |file: &fs::Metadata| file.permissions().mode() & 0o4000 != 0 && file.uid() == 0;
    let has_capability = || {
        let file = fs::File::open(&path).ok()?;
        xattr::fget(std::os::fd::AsFd::as_fd(&file), b"security.capability").ok()
    };
    if path.metadata().is_ok_and(|file| is_of_root(&file)) || has_capability().is_some() {
        return yes(name, format!("{shown}"));
    }
    no(
        name,
        format!("{shown} is neither setuid root nor has file capabilities"),
        Some(&format!("chmod u+s {shown}")),
    )
}
