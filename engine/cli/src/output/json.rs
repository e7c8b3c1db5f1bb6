//! JSON for people.

use serde::Serialize;

/// Indented by `indent`, podman's way: four blanks for lists, five for `inspect`. Ends without a line feed.
pub(crate) fn pretty(value: &impl Serialize, indent: usize) -> serde_json::Result<String> {
    let blanks = vec![b' '; indent];
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(&blanks);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
