//! The runtime's command line against the real kernel.
//!
//! The subject is the `ketchrun` that was built beside this test, or the runtime that `KETCH_RUNTIME` names: runc and
//! crun pass all but what is marked as ours.

#![forbid(unsafe_code)]

mod checkpoint;
mod errors;
mod exec;
mod lifecycle;
mod run;
mod show;
mod subject;
mod terminal;
