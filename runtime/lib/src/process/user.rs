//! The ids that the program runs under.

use ketch_sys::{Errno, credentials};
use nix::sys::prctl;

use crate::plan::process::User;
use crate::step::{At, StepError};

/// Groups first, then gid, then uid: each needs a capability that the last one takes away.
///
/// The permitted capabilities stay, for [`super::capabilities::set`] to choose from.
pub(crate) fn change(user: &User) -> Result<(), StepError> {
    if !user.keeps_groups {
        match credentials::set_groups(&user.groups) {
            // A user namespace made without privilege has setgroups denied for good (user_namespaces(7)).
            Err(Errno::EPERM) if user.groups.is_empty() => {}
            other => other.at("set additional groups", &format!("{:?}", user.groups))?,
        }
    }
    if user.uid != 0 {
        prctl::set_keepcaps(true).at("keep capabilities", "")?;
    }
    change_id("change to gid", user.gid, credentials::set_gid)?;
    change_id("change to uid", user.uid, credentials::set_uid)
}

fn change_id(step: &str, id: u32, set: fn(u32) -> Result<(), Errno>) -> Result<(), StepError> {
    match set(id) {
        Err(Errno::EINVAL) => {
            Err(Errno::EINVAL).at(step, &format!("{id} (not mapped in the user namespace)"))
        }
        result => result.at(step, &id.to_string()),
    }
}
