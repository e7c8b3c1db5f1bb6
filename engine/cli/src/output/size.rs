//! Sizes in decimal units with three significant digits.

/// `2 MB`, `14.2 kB`, `1.05 GB`: docker's go-units, with podman's blank.
pub(crate) fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut size = bytes as f64;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    // Rounded to three digits 999.6 would be 1000, which belongs to the next unit.
    while size >= 999.5 {
        let Some(next) = units.next() else { break };
        unit = Some(next);
        size /= 1000.0;
    }
    let decimals = if size >= 99.95 {
        0
    } else if size >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{size:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} {}", unit.unwrap_or(&"B"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1 kB"),
            (1_998_558, "2 MB"),
            (14_234, "14.2 kB"),
            (999_600, "1 MB"),
            (1_050_000_000, "1.05 GB"),
            (356_000_000, "356 MB"),
        ] {
            assert_eq!(super::human_size(bytes), text);
        }
    }
}
