//! What stands directly behind `ketch`.

use super::{Action, Command, container, image, verb};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "container", about: "Manage containers", action: Action::Group(container::COMMANDS) },
    Command { name: "image", about: "Manage images", action: Action::Group(image::COMMANDS) },
    verb!("images", "List images", image::list),
    verb!("load", "Load images from an archive", image::load),
    verb!("pull", "Pull images from registries", image::pull),
    verb!("rmi", "Remove images", image::remove),
    verb!("tag", "Give an image more names", image::tag),
    verb!("untag", "Take names from an image", image::untag),
];
