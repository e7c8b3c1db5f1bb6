//! `ketch` as an ordinary user. The tests run as root and drop to a user that they make.

mod files;
mod ids;
mod kills;
mod life;
mod pasta;
mod refused;
mod sandbox;
mod userns;
