//! Networks of containers, made in-process by netlink messages.
//!
//! `netlink/` makes interfaces, addresses and routes, `firewall/` the nf_tables rules that publish ports and lead
//! containers out. Neither knows containers or the state database: what exists is told by the kernel.

pub mod firewall;
pub mod netlink;
