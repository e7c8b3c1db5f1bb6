//! Points in time that people type.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ketch_monitor::clock::rfc3339;

use super::unix_seconds;

/// Which way from now a span of time leads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Span {
    Back,
    Ahead,
}

/// RFC 3339, also without zone (UTC) or time of day; seconds since 1970; or a span, as Go writes durations (`1h30m`).
pub(crate) fn moment(text: &str, span: Span) -> Option<SystemTime> {
    if let Some(length) = length(text) {
        return match span {
            Span::Back => SystemTime::now().checked_sub(length),
            Span::Ahead => SystemTime::now().checked_add(length),
        };
    }
    if let Some(since) = seconds(text) {
        return UNIX_EPOCH.checked_add(since);
    }
    if let Some(exact) = ketch_monitor::clock::parse(text.as_bytes()) {
        return Some(exact);
    }
    let complete = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ if text.ends_with('Z') => text.to_owned(),
        _ => format!("{text}Z"),
    };
    let since = u64::try_from(unix_seconds(&complete)?).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

/// The same as RFC 3339 in UTC, as rows of the state have it; a span leads back.
pub(crate) fn past(text: &str) -> Option<String> {
    moment(text, Span::Back).map(rfc3339)
}

/// `1795515072`, `1795515072.5`
fn seconds(text: &str) -> Option<Duration> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.is_empty();
    let number = text.parse::<f64>().ok().filter(|_| is_number)?;
    Duration::try_from_secs_f64(number).ok()
}

/// `1h30m`, `90s`, `1.5h`, `300ms`
pub(crate) fn length(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 6] =
        [("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9), ("h", 3600.0), ("m", 60.0), ("s", 1.0)];
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, factor) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        total += number * factor;
        rest = &rest[unit.len()..];
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(total).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        for (text, expected) in [
            ("1795515072", at(1_795_515_072)),
            ("2026-11-24T10:11:12Z", at(1_795_515_072)),
            ("2026-11-24T12:11:12+02:00", at(1_795_515_072)),
            ("2026-11-24T10:11:12", at(1_795_515_072)),
            ("2026-11-24", at(1_795_478_400)),
            ("bad", None),
            ("", None),
            ("1x", None),
        ] {
            assert_eq!(moment(text, Span::Back), expected, "{text}");
        }
    }

    #[test]
    fn lengths() {
        for (text, milliseconds) in
            [("1h30m", 5_400_000), ("90s", 90_000), ("1.5h", 5_400_000), ("300ms", 300), ("0s", 0)]
        {
            assert_eq!(length(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(length("h"), None);
        assert_eq!(length("10"), None);
    }
}
