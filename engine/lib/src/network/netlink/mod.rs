//! Interfaces, addresses and routes: rtnetlink(7), spoken directly.
//!
//! One writer of messages serves rtnetlink and nf_tables. Messages go out in batches, many to a system call, and the
//! kernel has answered all of them when the call returns.

mod address;
mod attach;
mod bridge;
mod error;
mod forwarding;
mod link;
pub(crate) mod message;
mod namespace;
pub(crate) mod socket;

pub use address::{Address, addresses};
pub(crate) use address::{octets, read_ip};
pub use attach::{Attachment, Route, attach, detach, speak};
pub use bridge::{Bridge, ensure_bridge, remove_bridge};
pub use error::Error;
pub use link::{Link, Mac, find_link, links, mac_of};
pub use namespace::{Namespace, loopback_up, within};
pub use socket::Socket;
