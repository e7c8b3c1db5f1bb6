//! netlink(7), spoken directly: messages are written in batches, many to a system call, and the kernel has answered all of
//! them when the call returns. One writer serves rtnetlink here, and rtnetlink and nf_tables in the engine.

pub mod link;
pub mod message;
mod socket;

use ketch_sys::Errno;
pub use socket::{Failure, Socket};

use crate::step::StepError;

/// A message that the kernel refused, or that could not be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {step} {object}: {}", errno.desc().to_lowercase())]
pub struct Error {
    pub step: &'static str,
    pub object: String,
    pub errno: Errno,
}

impl From<Error> for StepError {
    fn from(Error { step, object, errno }: Error) -> StepError {
        StepError { step: step.to_owned(), object, errno }
    }
}
