//! The session keyring.

use ketch_sys::{Errno, keyring};

use crate::plan::process::Keyring;
use crate::step::{At, StepError};

/// What a new session keyring allows (all to its possessor; view, read and link to its user),
/// and search to its user: without it a later `exec` could not find the keyring by name.
const SHARED: u32 = 0x3f1b_0000;

/// Joins the keyring. Comes before the ids change: the keyring belongs to the container's root.
pub(crate) fn join(wanted: &Keyring) -> Result<(), StepError> {
    let joined = match wanted {
        Keyring::Inherited => return Ok(()),
        Keyring::New => keyring::join_session(None).map(drop),
        Keyring::Named(name) => {
            keyring::join_session(Some(name)).and_then(|keyring| keyring::set_permissions(keyring, SHARED))
        }
    };
    match joined {
        // A kernel without keyrings, or a filter around this runtime that hides them (in a
        // container of docker's, say): what holds here holds for the container's processes too.
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        other => other.at("join the session keyring", ""),
    }
}
