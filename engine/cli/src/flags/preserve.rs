//! Descriptors of the caller's that a program in a container keeps.

use std::os::fd::OwnedFd;

use anyhow::{Context, ensure};
use ketch_sys::inherit;

/// Behind the standard streams.
const FIRST: u32 = 3;

#[derive(Debug, clap::Args)]
pub(crate) struct PreserveFlags {
    /// Pass on a descriptor, by number
    #[arg(long, value_name = "FD", value_delimiter = ',')]
    preserve_fd: Vec<u32>,
    /// Pass on as many descriptors, from 3 on
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    preserve_fds: u32,
}

impl PreserveFlags {
    /// Takes them over, once, with their numbers. The service manager's, as many as `taken`, come first, and are not
    /// counted. A number that was not passed may be a file of this program's own: that is none.
    pub(crate) fn take(&self, taken: usize) -> anyhow::Result<Vec<(i32, OwnedFd)>> {
        ensure!(
            self.preserve_fd.is_empty() || self.preserve_fds == 0,
            "cannot specify both --preserve-fds and --preserve-fd"
        );
        let first = FIRST + u32::try_from(taken)?;
        let flag = if self.preserve_fds > 0 { "preserve-fds" } else { "preserve-fd" };
        let mut numbers: Vec<u32> = (first..first.saturating_add(self.preserve_fds)).collect();
        numbers.extend(&self.preserve_fd);
        numbers.sort_unstable();
        numbers.dedup();
        // The standard streams are passed in any case.
        numbers.retain(|number| *number >= first);
        let one = |number| {
            let number = i32::try_from(number)?;
            // What was not passed may be a file of this program's own: that is none either, and the errno says nothing.
            let taken = inherit::take(number).ok().with_context(|| {
                format!(
                    "file descriptor {number} is not available - the {flag} option requires that file descriptors must be passed"
                )
            });
            Ok((number, taken?))
        };
        numbers.into_iter().map(one).collect()
    }
}
