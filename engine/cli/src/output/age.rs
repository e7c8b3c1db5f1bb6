//! Points in time: RFC 3339 in, Go's and docker's habits out.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 of an RFC 3339 time; None for anything else.
pub(crate) fn unix_seconds(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone);
    let mut clock = clock.split('.').next()?.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let is_sane =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    is_sane.then_some(seconds - offset(zone)?)
}

/// `+02:00` in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone[1..].split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Howard Hinnant's `days_from_civil`: the year starts in March, so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// `2025-01-01 00:00:00 +0000 UTC`, as Go prints a time.
pub(crate) fn go_time(text: &str) -> String {
    match unix_seconds(text) {
        Some(seconds) => format!("{} +0000 UTC", date_time(seconds)),
        None => text.to_owned(),
    }
}

/// `2025-01-01 00:00:00.5 +0000 UTC`: the same with a fraction, as short as it can be.
pub(crate) fn go_moment(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = format!(".{:09}", since.subsec_nanos());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{}{fraction} +0000 UTC", date_time(since.as_secs().cast_signed()))
}

fn date_time(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// `23 months ago`; empty for what is no time.
pub(crate) fn ago(text: &str) -> String {
    match human_duration_since(text) {
        words if words.is_empty() => words,
        words => words + " ago",
    }
}

/// `23 months`; empty for what is no time.
pub(crate) fn human_duration_since(text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs().cast_signed());
    unix_seconds(text).map(|then| human_duration(now - then)).unwrap_or_default()
}

/// docker's go-units words for a length of time in seconds.
fn human_duration(seconds: i64) -> String {
    let minutes = seconds / 60;
    let hours = (seconds + 1800) / 3600;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2025-01-01T00:00:00Z", Some(1_735_689_600)),
            ("2024-02-29T23:59:59.999999999Z", Some(1_709_251_199)),
            ("2024-03-01T01:00:00+02:00", Some(1_709_247_600)),
            ("0001-01-01T00:00:00Z", Some(-62_135_596_800)),
            ("2024-13-01T00:00:00Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(text), seconds, "{text}");
        }
        assert_eq!(go_time("2024-02-29T23:59:59.5+00:00"), "2024-02-29 23:59:59 +0000 UTC");
    }

    #[test]
    fn moments() {
        for (nanoseconds, expected) in [
            (1_795_541_721_666_495_430, "2026-11-24 17:35:21.66649543 +0000 UTC"),
            (1_795_541_721_000_000_000, "2026-11-24 17:35:21 +0000 UTC"),
        ] {
            let time = UNIX_EPOCH + std::time::Duration::from_nanos(nanoseconds);
            assert_eq!(go_moment(time), expected);
        }
    }

    #[test]
    fn durations() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (47 * 3600, "47 hours"),
            (13 * 86_400, "13 days"),
            (20 * 86_400, "2 weeks"),
            (692 * 86_400, "23 months"),
            (1000 * 86_400, "2 years"),
        ] {
            assert_eq!(human_duration(seconds), words);
        }
    }
}
