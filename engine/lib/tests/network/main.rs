//! Bridges, containers' interfaces and the firewall, against the real kernel, by real sockets. Needs root.
//!
//! Each test is a thread with network namespaces of its own: the host's is the one that it stands in.

mod bridges;
mod firewall;
mod place;
mod ports;
mod reach;
