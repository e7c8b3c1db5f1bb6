//! Limits as systemd's own properties.
//!
//! The files are written too, right after: systemd knows fewer limits, and rounds. But what systemd does not know of
//! it puts back when it is reloaded, and does not show.

use super::bus::Value;
use crate::plan::Write;

/// systemd's "no limit".
const INFINITY: u64 = u64::MAX;

/// The properties that stand for these writes (v2), in order; writes without one are passed over.
pub(crate) fn of(writes: &[Write]) -> Vec<(&'static str, Value)> {
    writes.iter().flat_map(|write| one(write).unwrap_or_default()).collect()
}

fn one(write: &Write) -> Option<Vec<(&'static str, Value)>> {
    let value = &*write.value;
    let number = |name| Some(vec![(name, Value::U64(limit(value)?))]);
    match &*write.file {
        "memory.max" => number("MemoryMax"),
        "memory.high" => number("MemoryHigh"),
        "memory.low" => number("MemoryLow"),
        "memory.min" => number("MemoryMin"),
        "memory.swap.max" => number("MemorySwapMax"),
        "pids.max" => number("TasksMax"),
        "cpu.weight" => number("CPUWeight"),
        "cpu.max" => quota(value),
        "io.weight" => {
            Some(vec![("IOWeight", Value::U64(limit(value.strip_prefix("default ").unwrap_or(value))?))])
        }
        "cpuset.cpus" => Some(vec![("AllowedCPUs", set(value)?)]),
        "cpuset.mems" => Some(vec![("AllowedMemoryNodes", set(value)?)]),
        _ => None,
    }
}

fn limit(value: &str) -> Option<u64> {
    if value == "max" { Some(INFINITY) } else { value.parse().ok() }
}

/// `quota period` in microseconds. systemd keeps the quota for a second, in steps of 10 ms; rounded up, as runc does, so that a
/// reload never takes away from it.
fn quota(value: &str) -> Option<Vec<(&'static str, Value)>> {
    let (quota, period) = value.split_once(' ').unwrap_or((value, "100000"));
    let (quota, period) = (limit(quota)?, period.parse::<u64>().ok().filter(|period| *period > 0)?);
    let a_second = match quota {
        INFINITY => INFINITY,
        quota => (quota.checked_mul(1_000_000)? / period).next_multiple_of(10_000),
    };
    Some(vec![("CPUQuotaPeriodUSec", Value::U64(period)), ("CPUQuotaPerSecUSec", Value::U64(a_second))])
}

/// `0-2,5` as a bit set, the lowest byte first.
fn set(list: &str) -> Option<Value> {
    /// More CPUs than the kernel can have.
    const MOST: usize = 8192;
    let mut bits: Vec<u8> = Vec::new();
    for range in list.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.trim().parse::<usize>().ok()?, last.trim().parse::<usize>().ok()?);
        if last < first || last > MOST {
            return None;
        }
        bits.resize(bits.len().max(last / 8 + 1), 0);
        (first..=last).for_each(|n| bits[n / 8] |= 1 << (n % 8));
    }
    Some(Value::Array("y".into(), bits.into_iter().map(Value::Byte).collect()))
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::LinuxResources;

    use super::*;

    #[test]
    fn of_resources() {
        let number = |name, value| (name, Value::U64(value));
        let bits = |name, bytes: &[u8]| {
            (name, Value::Array("y".into(), bytes.iter().map(|b| Value::Byte(*b)).collect()))
        };
        for (resources, want) in [
            ("{}", vec![]),
            (
                r#"{"memory":{"limit":1000,"swap":3000,"reservation":500},"pids":{"limit":-1}}"#,
                vec![
                    number("MemorySwapMax", 2000),
                    number("MemoryMax", 1000),
                    number("MemoryLow", 500),
                    number("TasksMax", INFINITY),
                ],
            ),
            (
                r#"{"cpu":{"shares":1024,"quota":50000,"period":100000,"cpus":"0-2,9","mems":"0"}}"#,
                vec![
                    number("CPUWeight", 100),
                    number("CPUQuotaPeriodUSec", 100_000),
                    number("CPUQuotaPerSecUSec", 500_000),
                    bits("AllowedCPUs", &[7, 2]),
                    bits("AllowedMemoryNodes", &[1]),
                ],
            ),
            (
                r#"{"cpu":{"quota":1001,"period":100000}}"#,
                vec![number("CPUQuotaPeriodUSec", 100_000), number("CPUQuotaPerSecUSec", 20_000)],
            ),
            (
                r#"{"cpu":{"quota":-1}}"#,
                vec![number("CPUQuotaPeriodUSec", 100_000), number("CPUQuotaPerSecUSec", INFINITY)],
            ),
            (
                r#"{"unified":{"memory.high":"max","io.weight":"default 50","misc.max":"x 1"}}"#,
                vec![number("IOWeight", 50), number("MemoryHigh", INFINITY)],
            ),
            (r#"{"cpu":{"cpus":"3-1"}}"#, vec![]),
        ] {
            let resources_: LinuxResources = serde_json::from_str(resources).unwrap();
            assert_eq!(of(&crate::plan::v2::plan(&resources_).unwrap()), want, "{resources}");
        }
    }
}
