//! `--health-*`: how it is told whether a container does its work.

use anyhow::{Context, ensure};
use ketch_engine::container::options::{Health, HealthAction, Startup};

use crate::output::length;

#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub(crate) struct HealthFlags {
    /// Command that tells whether the container does its work: a shell's, a JSON list of words, or none
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Time from check to check, or disable
    #[arg(long, value_name = "TIME")]
    health_interval: Option<String>,
    /// Where the results are kept: local
    #[arg(long, value_name = "PLACE")]
    health_log_destination: Option<String>,
    /// How many results are kept; 0: all
    #[arg(long, value_name = "N")]
    health_max_log_count: Option<u32>,
    /// How many characters of a result's output are kept; 0: all
    #[arg(long, value_name = "N")]
    health_max_log_size: Option<u32>,
    /// What is done when it is unhealthy: none, kill, restart or stop
    #[arg(long, value_name = "ACTION")]
    health_on_failure: Option<String>,
    /// Failures in a row that make it unhealthy
    #[arg(long, value_name = "N")]
    health_retries: Option<u32>,
    /// Time from the start in which failures do not count
    #[arg(long, value_name = "TIME")]
    health_start_period: Option<String>,
    /// Command that is asked until it says yes, before the other
    #[arg(long, value_name = "COMMAND")]
    health_startup_cmd: Option<String>,
    /// Time from check to check until then
    #[arg(long, value_name = "TIME")]
    health_startup_interval: Option<String>,
    /// Failures after which the container is started anew; 0: never
    #[arg(long, value_name = "N")]
    health_startup_retries: Option<u32>,
    /// How often it has to say yes
    #[arg(long, value_name = "N")]
    health_startup_success: Option<u32>,
    /// Longest time that it may take
    #[arg(long, value_name = "TIME")]
    health_startup_timeout: Option<String>,
    /// Longest time that a check may take
    #[arg(long, value_name = "TIME")]
    health_timeout: Option<String>,
    /// No check, whatever the image says
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, value_parser = super::values::boolean)]
    no_healthcheck: bool,
}

/// None: as the image has it.
pub(crate) fn parse(flags: &HealthFlags) -> anyhow::Result<Option<Health>> {
    let place = flags.health_log_destination.as_deref().unwrap_or("local");
    ensure!(
        matches!(place, "" | "local"),
        "--health-log-destination {place} is not available: results are kept with the container (local)"
    );
    let has_test = flags.health_cmd.as_deref().is_some_and(|command| command != "none");
    let startup = startup(flags, has_test, None)?;
    let health = Health {
        test: flags.health_cmd.as_deref().map(test),
        interval: flags
            .health_interval
            .as_deref()
            .map(|text| interval("health-interval", text))
            .transpose()?,
        timeout: flags.health_timeout.as_deref().map(|text| timeout("health-timeout", text)).transpose()?,
        start_period: flags
            .health_start_period
            .as_deref()
            .map(|text| time("health-start-period", text))
            .transpose()?,
        retries: flags.health_retries,
        on_failure: flags.health_on_failure.as_deref().map(action).transpose()?.unwrap_or_default(),
        startup,
        log_count: flags.health_max_log_count,
        log_size: flags.health_max_log_size,
    };
    ensure!(flags.health_retries != Some(0), "healthcheck-retries must be greater than 0");
    if flags.no_healthcheck {
        ensure!(flags.health_cmd.is_none(), "cannot specify both --no-healthcheck and --health-cmd");
        let test = Some(vec!["NONE".to_owned()]);
        return Ok(Some(Health { test, ..Health::default() }));
    }
    Ok(Some(health).filter(|health| *health != Health::default()))
}

/// `before` is what is there already.
fn startup(flags: &HealthFlags, has_test: bool, before: Option<Startup>) -> anyhow::Result<Option<Startup>> {
    let given = flags.health_startup_cmd.as_deref().map(test);
    let Some(test) = given.or_else(|| before.as_ref().map(|before| before.test.clone())) else {
        let others = flags.health_startup_interval.is_some()
            || flags.health_startup_retries.is_some()
            || flags.health_startup_success.is_some()
            || flags.health_startup_timeout.is_some();
        ensure!(!others, "a startup healthcheck command must be provided with --health-startup-cmd");
        return Ok(None);
    };
    ensure!(has_test, "must specify a health check command with --health-cmd to use a startup health check");
    let before = before.unwrap_or_default();
    let given = flags.health_startup_interval.as_deref();
    let startup_interval = given.map(|text| interval("health-startup-interval", text)).transpose()?;
    let given = flags.health_startup_timeout.as_deref();
    let startup_timeout = given.map(|text| timeout("health-startup-timeout", text)).transpose()?;
    Ok(Some(Startup {
        test,
        interval: startup_interval.or(before.interval),
        timeout: startup_timeout.or(before.timeout),
        retries: flags.health_startup_retries.unwrap_or(before.retries),
        successes: flags.health_startup_success.unwrap_or(before.successes),
    }))
}

/// What becomes of the check that is there.
pub(crate) fn change(flags: &HealthFlags, before: Option<Health>) -> anyhow::Result<Option<Health>> {
    if *flags == HealthFlags::default() {
        return Ok(before);
    }
    if flags.no_healthcheck {
        let alone = HealthFlags { no_healthcheck: true, ..HealthFlags::default() };
        ensure!(*flags == alone, "cannot specify both --no-healthcheck and other HealthCheck flags");
        return Ok(None);
    }
    let before = before.unwrap_or_default();
    let present = before.test.as_ref().is_some_and(|words| words.first().is_some_and(|kind| kind != "NONE"));
    let has_test = flags.health_cmd.as_deref().map_or(present, |command| command != "none");
    let startup = startup(flags, has_test, before.startup)?;
    let without = HealthFlags {
        health_startup_cmd: None,
        health_startup_interval: None,
        health_startup_retries: None,
        health_startup_success: None,
        health_startup_timeout: None,
        ..flags.clone()
    };
    let given = parse(&without)?.unwrap_or_default();
    let test = given.test.or(before.test);
    ensure!(
        has_test || flags.health_cmd.is_some(),
        "the container has no health check: give it one with --health-cmd"
    );
    Ok(Some(Health {
        test,
        interval: given.interval.or(before.interval),
        timeout: given.timeout.or(before.timeout),
        start_period: given.start_period.or(before.start_period),
        retries: given.retries.or(before.retries),
        on_failure: if flags.health_on_failure.is_some() { given.on_failure } else { before.on_failure },
        startup,
        log_count: given.log_count.or(before.log_count),
        log_size: given.log_size.or(before.log_size),
    })
    .filter(|_| has_test))
}

/// A list in JSON is words; all else is a shell's script.
fn test(command: &str) -> Vec<String> {
    match serde_json::from_str::<Vec<String>>(command) {
        Ok(words) if words.first().is_some_and(|kind| matches!(&**kind, "CMD" | "CMD-SHELL" | "NONE")) => {
            words
        }
        Ok(words) if !words.is_empty() => std::iter::once("CMD".to_owned()).chain(words).collect(),
        _ if command == "none" => vec!["NONE".to_owned()],
        _ => vec!["CMD-SHELL".to_owned(), command.to_owned()],
    }
}

fn action(name: &str) -> anyhow::Result<HealthAction> {
    match name {
        "" | "none" => Ok(HealthAction::None),
        "kill" => Ok(HealthAction::Kill),
        "restart" => Ok(HealthAction::Restart),
        "stop" => Ok(HealthAction::Stop),
        _ => anyhow::bail!(
            "invalid on-failure action {name:?} for health check: supported actions are none,kill,restart,stop"
        ),
    }
}

/// Nanoseconds.
fn time(flag: &str, text: &str) -> anyhow::Result<u64> {
    let time = length(text).with_context(|| format!("invalid {flag}: time: invalid duration {text:?}"))?;
    u64::try_from(time.as_nanos())
        .with_context(|| format!("invalid {flag}: {text} is more than can be counted"))
}

fn interval(flag: &str, text: &str) -> anyhow::Result<u64> {
    if text == "disable" { Ok(0) } else { time(flag, text) }
}

fn timeout(flag: &str, text: &str) -> anyhow::Result<u64> {
    let time = time(flag, text)?;
    ensure!(time >= 1_000_000_000, "{flag} must be at least 1 second");
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        for (text, expected) in [
            ("none", vec!["NONE"]),
            ("curl -f x || exit 1", vec!["CMD-SHELL", "curl -f x || exit 1"]),
            (r#"["true","a b"]"#, vec!["CMD", "true", "a b"]),
            (r#"["CMD","true"]"#, vec!["CMD", "true"]),
            ("[", vec!["CMD-SHELL", "["]),
        ] {
            assert_eq!(test(text), expected, "{text}");
        }
    }
}
