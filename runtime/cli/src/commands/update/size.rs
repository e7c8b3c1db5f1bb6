//! Sizes as runc's and podman's flags have them.

/// Bytes: a number, whole or with a fraction, and a unit of powers of 1024, in either case and with or without `b` or `ib`
/// behind it; or -1. None for anything else, or more than an `i64` holds.
pub(super) fn parse(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let text = text.to_ascii_lowercase();
    let (number, unit) =
        text.split_at(text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len()));
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let power = match unit.strip_suffix("ib").or(unit.strip_suffix('b')).unwrap_or(unit) {
        // `ib` alone is no unit.
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let factor = 1024_i64.pow(power);
    match number.parse::<i64>() {
        Ok(number) => number.checked_mul(factor),
        Err(_) => {
            let size = number.parse::<f64>().ok()? * factor as f64;
            // Casts of what is larger would stop at the end of the range.
            (size < i64::MAX as f64).then_some(size as i64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes() {
        for (text, size) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("4096", Some(4096)),
            ("512k", Some(512 << 10)),
            ("100M", Some(100 << 20)),
            ("100mb", Some(100 << 20)),
            ("100MiB", Some(100 << 20)),
            ("1.5g", Some(3 << 29)),
            ("2 t", Some(2 << 40)),
            ("1p", Some(1 << 50)),
            ("7b", Some(7)),
            ("", None),
            ("-2", None),
            ("g", None),
            ("1x", None),
            ("1ib", None),
            ("1.2.3", None),
            ("9223372036854775808", None),
            ("9000p", None),
        ] {
            assert_eq!(parse(text), size, "{text:?}");
        }
    }
}
