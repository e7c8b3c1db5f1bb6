//! What stands directly behind `ketch`.

use super::{Action, Command, container, image, verb};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "container", about: "Manage containers", action: Action::Group(container::COMMANDS) },
    Command { name: "image", about: "Manage images", action: Action::Group(image::COMMANDS) },
    verb!("pull", "Pull an image from a registry", image::pull),
];
