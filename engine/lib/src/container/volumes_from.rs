//! `--volumes-from`: binds and volumes of another container.

use std::collections::HashSet;

use super::options::{MountKind, Options};
use crate::Engine;
use crate::state::containers::FindError;

#[derive(Debug, thiserror::Error)]
pub enum VolumesFromError {
    #[error("looking up container {0:?} for volumes-from")]
    Find(String, #[source] FindError),
    #[error("invalid volumes-from option {1:?} of {0:?}: it is ro, rw or z")]
    Option(String, String),
}

/// Adds to `options.mounts` what the containers of `options.volumes_from` have mounted, save where there is a mount
/// already; of two containers the later one counts.
pub(super) fn resolve(engine: &Engine, options: &mut Options) -> Result<(), VolumesFromError> {
    let mut taken: HashSet<String> = options.mounts.iter().map(|mount| mount.destination.clone()).collect();
    for text in options.volumes_from.iter().rev() {
        let (name, words) = text.split_once(':').unwrap_or((text, ""));
        let mut access = None;
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match word {
                "ro" | "rw" => access = Some(word),
                "z" => {}
                _ => return Err(VolumesFromError::Option(text.clone(), word.to_owned())),
            }
        }
        let other = engine
            .db
            .find_container(name)
            .map_err(|source| VolumesFromError::Find(name.to_owned(), source))?;
        for mut mount in other.options.mounts {
            let shared = matches!(mount.kind, MountKind::Bind { .. } | MountKind::Named { .. });
            if !shared || !taken.insert(mount.destination.clone()) {
                continue;
            }
            // The other's owner and content are settled.
            (mount.chown, mount.no_copy) = (false, true);
            if let Some(access) = access {
                mount.options.retain(|option| option != "ro" && option != "rw");
                mount.options.push(access.to_owned());
            }
            options.mounts.push(mount);
        }
    }
    Ok(())
}
