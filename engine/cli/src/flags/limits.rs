//! Sizes, CPUs and ulimits.

use anyhow::{Context, bail, ensure};
use ketch_engine::container::options::{Limits, Ulimit};
use ketch_engine::spec;

use super::{ContainerFlags, resources};

/// All limits, checked against each other.
pub(super) fn collect(flags: &ContainerFlags) -> anyhow::Result<Limits> {
    let mut limits = Limits {
        memory: flags.memory,
        memory_swap: flags.memory_swap,
        memory_reservation: flags.memory_reservation,
        cpus: flags.cpus,
        cpu_shares: flags.cpu_shares,
        cpuset_cpus: flags.cpuset_cpus.clone(),
        cpuset_mems: flags.cpuset_mems.clone(),
        pids: flags.pids_limit,
        shm_size: flags.shm_size,
        oom_score_adj: flags.oom_score_adj,
        ..Limits::default()
    };
    resources::collect(&flags.resources, &mut limits)?;
    check_memory(&limits)?;
    put_ulimits(&flags.ulimit, &mut limits)?;
    Ok(limits)
}

/// Those of the same name give way.
pub(crate) fn put_ulimits(given: &[String], limits: &mut Limits) -> anyhow::Result<()> {
    for text in given {
        if text == "host" {
            limits.ulimits_of_host = true;
        } else {
            let ulimit =
                ulimit(text).with_context(|| format!("--ulimit {text}: NAME=SOFT[:HARD] is expected"))?;
            limits.ulimits.retain(|have| have.name != ulimit.name);
            limits.ulimits.push(ulimit);
        }
    }
    Ok(())
}

/// What the kernel would refuse, and less clearly.
pub(super) fn check_memory(limits: &Limits) -> anyhow::Result<()> {
    let memory = limits.memory.filter(|bytes| *bytes > 0);
    if let Some(swap) = limits.memory_swap.filter(|bytes| *bytes > 0) {
        let memory = memory.context("--memory-swap needs a memory limit: set --memory too")?;
        ensure!(
            swap >= memory,
            "--memory-swap must not be less than --memory: it limits memory and swap together"
        );
    }
    if let (Some(memory), Some(reservation)) = (memory, limits.memory_reservation) {
        ensure!(reservation <= memory, "--memory-reservation must not exceed --memory");
    }
    Ok(())
}

/// Bytes: `64m`, `1.5g`, `10kb`, `1 GiB`; powers of 1024.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let invalid = || format!("invalid size: '{text}'");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| invalid())?;
    let suffix = text[end..].trim_start().to_ascii_lowercase();
    let unit = match suffix.as_bytes() {
        [] => b'b',
        [unit] | [unit, b'b'] | [unit, b'i', b'b'] => *unit,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    let shift = match (unit, suffix.len()) {
        (b'b', 0 | 1) => 0,
        (b'k', _) => 10,
        (b'm', _) => 20,
        (b'g', _) => 30,
        (b't', _) => 40,
        (b'p', _) => 50,
        _ => return Err(format!("invalid suffix: '{suffix}'")),
    };
    let bytes = number * (1u64 << shift) as f64;
    if bytes >= i64::MAX as f64 {
        Err(format!("{text} is more than the kernel can count"))
    } else {
        Ok(bytes as i64)
    }
}

/// A size, or -1.
pub(super) fn swap(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { size(text) }
}

pub(super) fn cpus(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // Below a hundredth the quota would be less than the kernel's least, a millisecond.
        Ok(cpus) if cpus == 0.0 || (0.01..=1e6).contains(&cpus) => Ok(cpus),
        Ok(_) => Err("0.01 or more is expected".to_owned()),
        Err(_) => Err("a number is expected".to_owned()),
    }
}

fn ulimit(text: &str) -> anyhow::Result<Ulimit> {
    let (name, values) = text.split_once('=').context("there is no value")?;
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("rlimit_").unwrap_or(&name).to_owned();
    ensure!(spec::is_ulimit(&name), "invalid ulimit type: {name}");
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let value = |text: &str| match text {
        "unlimited" => Ok(-1),
        text => match text.parse::<i64>() {
            Ok(value) if value >= -1 => Ok(value),
            _ => bail!("{text:?} is no limit"),
        },
    };
    let (soft, hard) = (value(soft)?, value(hard)?);
    let exceeds = hard != -1 && (soft == -1 || soft > hard);
    ensure!(!exceeds, "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
    Ok(Ulimit { name, soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases: &[(&str, Result<i64, &str>)] = &[
            ("0", Ok(0)),
            ("1024", Ok(1024)),
            ("10b", Ok(10)),
            ("10k", Ok(10_240)),
            ("64m", Ok(64 << 20)),
            ("64mb", Ok(64 << 20)),
            ("64MiB", Ok(64 << 20)),
            ("64 m", Ok(64 << 20)),
            ("1.5g", Ok(3 << 29)),
            ("1t", Ok(1 << 40)),
            ("-1", Err("invalid size: '-1'")),
            ("bogus", Err("invalid size: 'bogus'")),
            ("", Err("invalid size: ''")),
            ("1.2.3", Err("invalid size: '1.2.3'")),
            ("64q", Err("invalid suffix: 'q'")),
            ("64bb", Err("invalid suffix: 'bb'")),
            ("64mbb", Err("invalid suffix: 'mbb'")),
            ("9999999p", Err("9999999p is more than the kernel can count")),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text), expected.map_err(str::to_owned), "{text}");
        }
        assert_eq!(swap("-1"), Ok(-1));
    }

    #[test]
    fn ulimits() {
        let cases: &[(&str, Result<(i64, i64), &str>)] = &[
            ("nofile=100:200", Ok((100, 200))),
            ("nofile=100", Ok((100, 100))),
            ("RLIMIT_NOFILE=100", Ok((100, 100))),
            ("core=-1:-1", Ok((-1, -1))),
            ("core=0:unlimited", Ok((0, -1))),
            ("nofile", Err("no value")),
            ("bogus=1", Err("invalid ulimit type: bogus")),
            ("nofile=5:3", Err("5 > 3")),
            ("nofile=-1:3", Err("-1 > 3")),
            ("nofile=-2", Err("\"-2\" is no limit")),
            ("nofile=", Err("\"\" is no limit")),
        ];
        for (text, expected) in cases {
            match (ulimit(text), expected) {
                (Ok(got), Ok(expected)) => assert_eq!((got.soft, got.hard), *expected, "{text}"),
                (Err(got), Err(expected)) => assert!(got.to_string().contains(expected), "{text}: {got}"),
                (got, expected) => panic!("{text}: {got:?}, not {expected:?}"),
            }
        }
    }
}
