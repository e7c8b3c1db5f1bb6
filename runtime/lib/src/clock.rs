//! Times as text: RFC 3339 in UTC with nanoseconds, without a locale or a time zone file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Length of a [`stamp`].
pub const STAMP: usize = "2026-11-24T10:11:12.123456789".len();

/// `2026-11-24T10:11:12.123456789`, to which the caller adds `Z` or `+00:00`.
pub fn stamp(time: SystemTime) -> [u8; STAMP] {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (seconds, nanos) = (since.as_secs(), since.subsec_nanos());
    let (year, month, day) = civil((seconds / 86_400) as i64);
    let second = seconds % 86_400;

    let mut text = *b"0000-00-00T00:00:00.000000000";
    digits(&mut text[0..4], year as u64);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], second / 3600);
    digits(&mut text[14..16], second / 60 % 60);
    digits(&mut text[17..19], second % 60);
    digits(&mut text[20..29], u64::from(nanos));
    text
}

/// `2026-11-24T10:11:12.123456789Z`.
pub fn rfc3339(time: SystemTime) -> String {
    zulu(&stamp(time))
}

/// `2026-11-24T10:11:12Z`.
pub fn to_second(time: SystemTime) -> String {
    zulu(&stamp(time)[..19])
}

fn zulu(stamp: &[u8]) -> String {
    let mut text = String::with_capacity(stamp.len() + 1);
    text.extend(stamp.iter().map(|b| char::from(*b)));
    text.push('Z');
    text
}

/// Reads RFC 3339 with any offset and up to nine digits of a second's fraction.
pub fn parse(text: &[u8]) -> Option<SystemTime> {
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        text.get(range)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|(at, byte)| text.get(*at) != Some(byte)) {
        return None;
    }
    let days = days(number(0..4)? as i64, number(5..7)?, number(8..10)?)?;
    let mut seconds =
        days * 86_400 + (number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?) as i64;

    let mut end = 19;
    let mut nanos = 0;
    if text.get(end) == Some(&b'.') {
        let length = text[20..].iter().take_while(|b| b.is_ascii_digit()).count();
        end = 20 + length;
        nanos = number(20..20 + length.min(9))? * 10u64.pow(9 - length.min(9) as u32);
    }
    match text.get(end)? {
        b'Z' if text.len() == end + 1 => {}
        sign @ (b'+' | b'-') if text.len() == end + 6 && text[end + 3] == b':' => {
            let offset = (number(end + 1..end + 3)? * 3600 + number(end + 4..end + 6)? * 60) as i64;
            seconds -= if *sign == b'+' { offset } else { -offset };
        }
        _ => return None,
    }
    Some(UNIX_EPOCH + Duration::new(u64::try_from(seconds).ok()?, nanos as u32))
}

fn digits(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Days since 1970-01-01 to year, month, day. Years are counted from March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, u64, u64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u64, day as u64)
}

fn days(year: i64, month: u64, day: u64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = (month as i64 + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day as i64 - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_reads_back() {
        for (seconds, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (1_709_251_199, 999_999_999, "2024-02-29T23:59:59.999999999Z"),
            (1_795_515_072, 123_456_789, "2026-11-24T10:11:12.123456789Z"),
            (4_102_444_800, 0, "2100-01-01T00:00:00.000000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            assert_eq!(rfc3339(time), text);
            assert_eq!(parse(text.as_bytes()), Some(time), "{text}");
            assert_eq!(to_second(time), format!("{}Z", &text[..19]));
        }
    }

    #[test]
    fn reads_offsets_and_short_fractions() {
        let time = UNIX_EPOCH + Duration::new(1_795_515_072, 500_000_000);
        for text in
            ["2026-11-24T10:11:12.5Z", "2026-11-24T10:11:12.500000000+00:00", "2026-11-24T12:11:12.5+02:00"]
        {
            assert_eq!(parse(text.as_bytes()), Some(time), "{text}");
        }
        for text in
            ["", "2026", "2026-11-24", "2026-13-24T10:11:12Z", "2026-11-24T10:11:12", "x026-11-24T10:11:12Z"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
