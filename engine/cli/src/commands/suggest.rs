//! What a mistyped command may have been meant to be, as podman says it.

use super::Command;

/// So many letters may be wrong.
const WRONG: usize = 2;

/// podman's paragraph with all that are near, or nothing.
pub(super) fn near(word: &str, table: &[Command]) -> String {
    let word = word.to_ascii_lowercase();
    let is_near = |name: &str| name.starts_with(&word) || distance(&word, name) <= WRONG;
    let near: Vec<_> = table.iter().map(|command| command.name).filter(|name| is_near(name)).collect();
    match near.is_empty() {
        true => String::new(),
        false => format!("\nDid you mean this?\n\t{}\n\n", near.join("\n\t")),
    }
}

/// Letters to put in, to leave out and to replace (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to = to.as_bytes();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.bytes().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != *other);
            next.push(replaced.min(last[column + 1] + 1).min(next[column] + 1));
        }
        last = next;
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, expected) in [
            ("", "", 0),
            ("ps", "ps", 0),
            ("", "ps", 2),
            ("pz", "ps", 1),
            ("bogus", "logs", 2),
            ("conatiner", "container", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }
}
