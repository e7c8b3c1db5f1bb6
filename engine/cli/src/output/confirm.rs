//! A question before what cannot be undone.

use std::io::{BufRead, Write};

use anyhow::bail;

/// Prints `warning` and asks; true for an answer that begins with y.
pub(crate) fn confirm(warning: &str) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    write!(out, "{warning}\nAre you sure you want to continue? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    if std::io::stdin().lock().read_line(&mut answer)? == 0 {
        bail!("EOF");
    }
    Ok(answer.trim_start().to_lowercase().starts_with('y'))
}
