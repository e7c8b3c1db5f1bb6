//! What stands directly behind `ketch`.

use super::{Action, Command, container, image, unshare, verb, volume};

pub(crate) const COMMANDS: &[Command] = &[
    Command { name: "container", about: "Manage containers", action: Action::Group(container::COMMANDS) },
    Command { name: "image", about: "Manage images", action: Action::Group(image::COMMANDS) },
    Command { name: "volume", about: "Manage volumes", action: Action::Group(volume::COMMANDS) },
    verb!("attach", "Attach to a running container", container::attach),
    verb!("create", "Create a container without starting it", container::create),
    verb!("exec", "Run one more command in a running container", container::exec),
    verb!("images", "List images", image::list),
    verb!("inspect", "Show all about containers or images as JSON", container::inspect::any),
    verb!("kill", "Send a signal to containers", container::kill),
    verb!("load", "Load images from an archive", image::load),
    verb!("logs", "Show what containers have written", container::logs),
    verb!("ps", "List containers", container::ps),
    verb!("pull", "Pull images from registries", image::pull),
    verb!("rm", "Remove containers", container::remove),
    verb!("rmi", "Remove images", image::remove),
    verb!("run", "Run a command in a new container", container::run),
    verb!("start", "Start containers", container::start),
    verb!("stop", "Stop containers", container::stop),
    verb!("tag", "Give an image more names", image::tag),
    verb!("top", "Show the processes of a container", container::top),
    verb!("unshare", "Run a command in the user's namespaces, where it is root", unshare),
    verb!("untag", "Take names from an image", image::untag),
    verb!("wait", "Wait for containers to end", container::wait),
];
