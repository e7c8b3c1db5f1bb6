//! Limits that fewer people set: block devices, real-time scheduling, single files of cgroup v2.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{BlockIo, BlockLimit, DeviceRule, Limits};

use super::{limits, values};

#[derive(Debug, clap::Args)]
pub(crate) struct ResourceFlags {
    /// Weight of block I/O, 10 to 1000, relative to other containers'
    #[arg(long, value_name = "WEIGHT", value_parser = weight)]
    blkio_weight: Option<u16>,
    /// The same for one device (DEVICE:WEIGHT)
    #[arg(long, value_name = "DEVICE:WEIGHT")]
    blkio_weight_device: Vec<String>,
    /// Write to a file of cgroup v2 (FILE=VALUE)
    #[arg(long, value_name = "FILE=VALUE", value_delimiter = ',')]
    cgroup_conf: Vec<String>,
    /// Period of --cpu-quota, in microseconds
    #[arg(long, value_name = "N")]
    cpu_period: Option<u64>,
    /// CPU time in each period, in microseconds
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpu_quota: Option<i64>,
    /// Period of --cpu-rt-runtime, in microseconds (cgroup v1)
    #[arg(long, value_name = "N")]
    cpu_rt_period: Option<u64>,
    /// Time of real-time scheduling in each period, in microseconds (cgroup v1)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    cpu_rt_runtime: Option<i64>,
    /// Allow devices that are not given by --device ('TYPE MAJOR:MINOR ACCESS')
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    device_cgroup_rule: Vec<String>,
    /// Limit reading from a device, in bytes a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_bps: Vec<String>,
    /// Limit reading from a device, in operations a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_iops: Vec<String>,
    /// Limit writing to a device, in bytes a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_bps: Vec<String>,
    /// Limit writing to a device, in operations a second (DEVICE:RATE)
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_iops: Vec<String>,
    /// How willingly its memory is swapped out, 0 to 100; -1 for the host's (cgroup v1)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = swappiness)]
    memory_swappiness: Option<i64>,
    /// Let its processes wait for memory instead of killing them (cgroup v1)
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = values::boolean)]
    oom_kill_disable: bool,
    /// Class of service of Intel's RDT, below /sys/fs/resctrl
    #[arg(long, value_name = "CLASS")]
    rdt_class: Option<String>,
    /// Size of /run and /run/lock in systemd's mode
    #[arg(long, value_name = "SIZE", value_parser = limits::size)]
    shm_size_systemd: Option<i64>,
}

/// Puts them to the others, which are in `limits` already.
pub(super) fn collect(flags: &ResourceFlags, limits: &mut Limits) -> anyhow::Result<()> {
    check_quota(limits.cpus, flags.cpu_period, flags.cpu_quota)?;
    limits.cpu_period = flags.cpu_period;
    limits.cpu_quota = flags.cpu_quota;
    limits.cpu_rt_period = flags.cpu_rt_period;
    limits.cpu_rt_runtime = flags.cpu_rt_runtime;
    limits.memory_swappiness = flags.memory_swappiness.and_then(|value| u64::try_from(value).ok());
    limits.oom_kill_disable = flags.oom_kill_disable;
    limits.rdt_class = flags.rdt_class.clone().filter(|class| !class.is_empty());
    limits.shm_size_systemd = flags.shm_size_systemd;
    limits.unified = unified(&flags.cgroup_conf)?;
    limits.block = BlockIo {
        weight: flags.blkio_weight.filter(|weight| *weight > 0),
        weights: flags
            .blkio_weight_device
            .iter()
            .map(|text| device_weight(text))
            .collect::<Result<_, _>>()?,
        read_bps: byte_rates(&flags.device_read_bps)?,
        write_bps: byte_rates(&flags.device_write_bps)?,
        read_iops: operation_rates(&flags.device_read_iops)?,
        write_iops: operation_rates(&flags.device_write_iops)?,
    };
    Ok(())
}

/// `--cpus` is another way to say the other two.
pub(super) fn check_quota(cpus: Option<f64>, period: Option<u64>, quota: Option<i64>) -> anyhow::Result<()> {
    let has_cpus = cpus.is_some_and(|cpus| cpus > 0.0);
    ensure!(!has_cpus || period.is_none(), "--cpu-period and --cpus cannot be set together");
    ensure!(!has_cpus || quota.is_none(), "--cpu-quota and --cpus cannot be set together");
    Ok(())
}

/// Bytes a second.
pub(super) fn byte_rates(list: &[String]) -> anyhow::Result<Vec<BlockLimit>> {
    let bytes = |text: &str| limits::size(text).ok().and_then(|bytes| u64::try_from(bytes).ok());
    list.iter().map(|text| rate(text, bytes)).collect()
}

/// Operations a second.
pub(crate) fn operation_rates(list: &[String]) -> anyhow::Result<Vec<BlockLimit>> {
    list.iter().map(|text| rate(text, |text| text.parse().ok())).collect()
}

/// Those of the same devices give way.
pub(crate) fn put_all(there: &mut Vec<BlockLimit>, given: Vec<BlockLimit>) {
    for limit in given {
        there.retain(|have| have.device != limit.device);
        there.push(limit);
    }
}

pub(super) fn device_rules(flags: &ResourceFlags) -> anyhow::Result<Vec<DeviceRule>> {
    let rule = |text: &String| {
        device_rule(text).with_context(|| {
            format!("invalid device cgroup rule requires type, major:Minor, and access rules: {text:?}")
        })
    };
    flags.device_cgroup_rule.iter().map(rule).collect()
}

/// 0 is none.
pub(super) fn weight(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(weight @ (0 | 10..=1000)) => Ok(weight),
        _ => Err("a weight is 10 to 1000".to_owned()),
    }
}

pub(super) fn swappiness(text: &str) -> Result<i64, String> {
    match text.parse() {
        Ok(value @ -1..=100) => Ok(value),
        _ => Err(format!("invalid value: {text}, valid memory swappiness range is 0-100")),
    }
}

pub(super) fn device_weight(text: &str) -> anyhow::Result<BlockLimit> {
    let (device, value) = device(text).with_context(|| format!("bad format: {text}"))?;
    let value = weight(value).map_err(anyhow::Error::msg);
    let value = value.with_context(|| format!("--blkio-weight-device {text}"))?;
    Ok(BlockLimit { device: device.into(), value: value.into() })
}

fn rate(text: &str, parse: fn(&str) -> Option<u64>) -> anyhow::Result<BlockLimit> {
    let (device, value) = device(text).with_context(|| format!("bad format for device path: {text}"))?;
    let value = parse(value).with_context(|| {
        format!("invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]")
    })?;
    Ok(BlockLimit { device: device.into(), value })
}

fn device(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(device, _)| device.starts_with("/dev/"))
}

fn unified(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((file, value)) if !file.is_empty() => Ok((file.to_owned(), value.to_owned())),
        _ => bail!("--cgroup-conf must be formatted KEY=VALUE"),
    };
    given.iter().map(pair).collect()
}

/// `TYPE MAJOR:MINOR ACCESS`, docker's form.
fn device_rule(text: &str) -> Option<DeviceRule> {
    let [kind @ ("a" | "b" | "c"), numbers, access] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (major, minor) = numbers.split_once(':')?;
    let number = |text: &str| match text {
        "*" => Some(None),
        text => text.parse::<u32>().ok().map(|number| Some(number.into())),
    };
    let known =
        (1..=3).contains(&access.len()) && access.bytes().all(|byte| matches!(byte, b'r' | b'w' | b'm'));
    known.then_some(())?;
    let kind = kind.chars().next()?;
    Some(DeviceRule { kind, major: number(major)?, minor: number(minor)?, access: access.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let rule = |kind, major, minor, access: &str| {
            Some(DeviceRule { kind, major, minor, access: access.to_owned() })
        };
        for (text, expected) in [
            ("c 1:3 rw", rule('c', Some(1), Some(3), "rw")),
            ("b 8:* rwm", rule('b', Some(8), None, "rwm")),
            ("a *:* rwm", rule('a', None, None, "rwm")),
            ("a", None),
            ("c 1:3", None),
            ("c 1 rw", None),
            ("x 1:3 rw", None),
            ("c 1:3 rx", None),
            ("c 1:-3 r", None),
        ] {
            assert_eq!(device_rule(text), expected, "{text}");
        }
    }

    #[test]
    fn rates() {
        let bytes = |text: &str| {
            rate(text, |text| limits::size(text).ok().and_then(|bytes| u64::try_from(bytes).ok()))
        };
        assert_eq!(bytes("/dev/vda:1mb").unwrap(), BlockLimit { device: "/dev/vda".into(), value: 1 << 20 });
        for (text, expected) in [
            ("vda:1", "bad format for device path"),
            ("/dev/vda:x", "invalid rate"),
            ("/dev/vda", "bad format"),
        ] {
            assert!(bytes(text).unwrap_err().to_string().contains(expected), "{text}");
        }
        assert_eq!(device_weight("/dev/vda:300").unwrap().value, 300);
        assert!(device_weight("/dev/vda:5").is_err());
    }
}
