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

/// `483.3kB`, `25.28GB`: go-units with four significant digits.
pub(crate) fn decimal_size(bytes: u64) -> String {
    four_digits(bytes, 1000.0, ["B", "kB", "MB", "GB", "TB", "PB"])
}

/// `31.3MiB`, the same in powers of 1024.
pub(crate) fn binary_size(bytes: u64) -> String {
    four_digits(bytes, 1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// C's `%.4g`, in the largest unit of which there is at least one.
fn four_digits(bytes: u64, base: f64, units: [&str; 6]) -> String {
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= base && unit + 1 < units.len() {
        size /= base;
        unit += 1;
    }
    let decimals = match size {
        999.95.. => 0,
        99.995.. => 1,
        9.9995.. => 2,
        _ => 3,
    };
    let text = format!("{size:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units[unit])
}

#[cfg(test)]
mod tests {
    #[test]
    fn four_digits() {
        for (bytes, decimal, binary) in [
            (0, "0B", "0B"),
            (636, "636B", "636B"),
            (483_328, "483.3kB", "472KiB"),
            (32_821_248, "32.82MB", "31.3MiB"),
            (25_276_502_016, "25.28GB", "23.54GiB"),
            (1_048_576, "1.049MB", "1MiB"),
            (1_023, "1.023kB", "1023B"),
        ] {
            assert_eq!(super::decimal_size(bytes), decimal);
            assert_eq!(super::binary_size(bytes), binary);
        }
    }

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
