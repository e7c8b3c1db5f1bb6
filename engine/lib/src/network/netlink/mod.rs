//! Interfaces, addresses and routes: rtnetlink(7), spoken directly.
//!
//! Messages and the socket are the runtime's ([`ketch_runtime::netlink`]), which moves devices into containers by them.

mod address;
mod attach;
mod bridge;
mod error;
mod forwarding;
mod link;
mod namespace;
pub(crate) mod socket;

pub use address::{Address, addresses};
pub(crate) use address::{octets, read_ip};
pub use attach::{Attachment, Route, attach, detach, speak};
pub use bridge::{Bridge, ensure_bridge, remove_bridge};
pub use error::Error;
pub(crate) use ketch_runtime::netlink::message;
pub use link::{Link, Mac, find_link, links, mac_of};
pub use namespace::{Namespace, loopback_up, within};
pub use socket::Socket;
