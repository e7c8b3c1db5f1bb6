//! Times as runc's flags have them: Go's notation for durations.

use std::time::Duration;

/// `1h30m`, `1.5s`, `500ms`; more than nothing.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    duration(text).ok_or_else(|| "expected a time above 0 such as 500ms, 5s or 1m30s".to_owned())
}

fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?);
        let unit = &after[..after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len())];
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = &after[unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, millis) in [
            ("5s", Some(5000)),
            ("500ms", Some(500)),
            ("1.5s", Some(1500)),
            ("1m30s", Some(90_000)),
            ("1h", Some(3_600_000)),
            ("0.5m", Some(30_000)),
            ("", None),
            ("5", None),
            ("0s", None),
            ("-5s", None),
            ("s", None),
            ("5 s", None),
            ("1.2.3s", None),
            ("1e400s", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text:?}");
        }
    }
}
