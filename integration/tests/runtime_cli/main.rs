//! The runtime's command line against the real kernel.
//!
//! The subject is the `ketchrun` that was built beside this test, or the runtime that `KETCH_TEST_RUNTIME` names: runc and
//! crun pass all but what is marked as ours.

#![forbid(unsafe_code)]

mod checkpoint;
mod errors;
mod events;
mod exec;
mod lifecycle;
mod log;
mod mounts;
mod notify;
mod regex;
mod run;
mod show;
mod subject;
mod terminal;
mod update;
