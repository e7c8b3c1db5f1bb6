//! cgroups made by systemd: a scope for each container, in a slice.
//!
//! [`plan`] is pure. A scope cannot be without a process, so it is made around one that is there already
//! ([`Scope::start`]); systemd moves it in, delegates the cgroup, and removes it when the last process has gone. In it we do what we do in
//! a cgroup of our own making. Limits go to systemd as properties and into the files as well.

mod bus;
mod manager;
mod name;
mod properties;
mod scope;
mod slice;
mod text;

pub use bus::BusError;
pub use manager::Manager;
pub use scope::{Scope, plan};
pub(crate) use scope::{come_near, locate, set, stop};
pub use slice::{create_slice, is_slice};

/// A unit that is a container's cgroup; kept in its state.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Unit {
    /// `ketch-0123.scope`
    pub name: String,
    pub manager: Manager,
}
