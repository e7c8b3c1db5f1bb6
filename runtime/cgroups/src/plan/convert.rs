//! Values whose scale differs between cgroup v1, which the OCI specification speaks, and v2.

use crate::Error;

use super::refuse;

/// `cpu.shares` (2..=262144, 1024 by default) as `cpu.weight` (1..=10000, 100 by default).
///
/// The curve through (2, 1), (1024, 100) and (262144, 10000) that runc 1.4 and crun 1.23 took up: the
/// straight line before it made the default's 1024 a weight of 39, less than a host process's.
pub(super) fn cpu_weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}

/// `blkio.weight` (10..=1000) as `io.weight` (1..=10000), linear.
pub(super) fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990
}

/// `-1` is v1's word for no limit, `max` is v2's.
pub(super) fn limit(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// OCI's `memory.swap` counts memory and swap together, v2's `memory.swap.max` swap alone.
/// None: not asked for.
pub(super) fn swap_max(memory: i64, swap: i64) -> Result<Option<String>, Error> {
    match (memory, swap) {
        // Taking the memory limit away takes the swap limit with it, as on v1.
        (-1, 0) => Ok(Some("max".to_owned())),
        (_, 0) => Ok(None),
        (_, ..0) => Ok(Some("max".to_owned())),
        (..=0, _) => refuse("memory.swap", "a swap limit needs a memory limit on cgroup v2"),
        (memory, swap) if swap < memory => swap_below_memory(),
        (memory, swap) => Ok(Some((swap - memory).to_string())),
    }
}

/// The one way in which both limits contradict each other.
pub(super) fn swap_below_memory<T>() -> Result<T, Error> {
    refuse("memory.swap", "it counts memory and swap together, and is less than memory.limit")
}

/// A huge page size as the kernel's file names have it: `2MB`, `1GB`, `64KB`. It becomes part of a file name.
pub(super) fn page_size(size: &str) -> Result<&str, Error> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_uppercase());
    let unit = &size[digits.len()..];
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if number && matches!(unit, "KB" | "MB" | "GB") {
        Ok(size)
    } else {
        refuse("hugepageLimits", format!("{size:?} is no page size such as 2MB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_weights() {
        for (shares, weight) in [
            (0, 1),
            (1, 1),
            (2, 1),
            (512, 59),
            (1024, 100),
            (2048, 174),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ] {
            assert_eq!(cpu_weight(shares), weight, "{shares}");
        }
        assert!((2..=262_144).all(|s| (1..=10_000).contains(&cpu_weight(s))));
    }

    #[test]
    fn io_weights() {
        for (v1, v2) in [(10, 1), (100, 910), (500, 4950), (1000, 10_000)] {
            assert_eq!(io_weight(v1), v2, "{v1}");
        }
    }

    #[test]
    fn swap() {
        let max = || Some("max".to_owned());
        for (memory, swap, want) in [
            (0, 0, Some(None)),
            (100, 0, Some(None)),
            (-1, 0, Some(max())),
            (100, -1, Some(max())),
            (0, -1, Some(max())),
            (100, 100, Some(Some("0".into()))),
            (100, 300, Some(Some("200".into()))),
            (100, 50, None),
            (0, 50, None),
            (-1, 50, None),
        ] {
            assert_eq!(swap_max(memory, swap).ok(), want, "memory {memory}, swap {swap}");
        }
    }

    #[test]
    fn page_sizes() {
        for (size, good) in
            [("2MB", true), ("1GB", true), ("64KB", true), ("MB", false), ("2M", false), ("../x", false)]
        {
            assert_eq!(page_size(size).is_ok(), good, "{size}");
        }
    }
}
