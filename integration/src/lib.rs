//! Drives `ketch` and `ketchrun`, or a peer with the same command line, against the real kernel.
//!
//! Each test owns its directories, cgroups and network namespace and leaves none: the harness checks that on drop.
//! `KETCH_TEST_ENGINE` and `KETCH_TEST_RUNTIME` name another program to be the subject.

#![forbid(unsafe_code)]

pub mod bundle;
pub mod daemon;
pub mod debian;
pub mod engine;
pub mod image;
pub mod kills;
pub mod leftovers;
pub mod netns;
pub mod output;
pub mod page;
pub mod play;
pub mod program;
pub mod registry;
pub mod user;
pub mod wait;

pub use bundle::Bundle;
pub use engine::Engine;
pub use image::ImageBuilder;
pub use netns::Netns;
pub use output::Output;
