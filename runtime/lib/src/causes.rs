//! An error and all that caused it, on one line.

use std::error::Error;

use ketch_sys::Errno;

/// `cannot do this: that failed: no such file or directory`. A cause that its effect has said already is not said again.
pub fn line(error: &(dyn Error + 'static)) -> String {
    let mut line = text(error);
    let mut next = error.source();
    while let Some(cause) = next {
        let text = text(cause);
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}

/// One link of the chain; an errno in the words of errno(3) alone.
fn text(error: &(dyn Error + 'static)) -> String {
    let io = || error.downcast_ref::<std::io::Error>()?.raw_os_error().map(Errno::from_raw);
    match error.downcast_ref::<Errno>().copied().or_else(io) {
        Some(errno) => errno.desc().to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Chain {
        #[error("cannot read {path}")]
        Read { path: &'static str, source: std::io::Error },
        #[error("cannot kill it: no such process")]
        Said { source: Errno },
        #[error("cannot go on")]
        Outer { source: Box<Chain> },
    }

    #[test]
    fn lines() {
        let gone = || Chain::Read { path: "/x", source: std::io::Error::from_raw_os_error(2) };
        for (error, expected) in [
            (gone(), "cannot read /x: no such file or directory"),
            (Chain::Said { source: Errno::ESRCH }, "cannot kill it: no such process"),
            (
                Chain::Outer { source: gone().into() },
                "cannot go on: cannot read /x: no such file or directory",
            ),
        ] {
            assert_eq!(line(&error), expected);
        }
    }
}
