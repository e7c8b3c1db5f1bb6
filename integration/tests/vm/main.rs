//! ketch below systemd, in the guest of `hack/vm`.

mod guest;
mod notify;
mod restart;
mod socket;
mod tour;
