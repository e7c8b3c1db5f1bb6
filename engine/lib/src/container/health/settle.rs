//! What is checked, from the flags and from the image.

use serde::Deserialize;

use crate::container::options::Health;
use crate::image::Image;

/// docker's part of an image's configuration, which OCI's does not know.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct OfImage {
    test: Vec<String>,
    interval: u64,
    timeout: u64,
    start_period: u64,
    retries: u32,
}

/// What was asked for, and where nothing was what the image has.
pub(crate) fn settle(asked: Option<Health>, image: Option<&Image>) -> Option<Health> {
    let of_image = image.and_then(|image| parse(&image.raw_config));
    let mut health = asked.unwrap_or_default();
    if health.test.is_none() {
        let of_image = of_image?;
        let some = |number: u64| Some(number).filter(|number| *number > 0);
        health.test = Some(of_image.test);
        health.interval = health.interval.or(some(of_image.interval));
        health.timeout = health.timeout.or(some(of_image.timeout));
        health.start_period = health.start_period.or(some(of_image.start_period));
        health.retries = health.retries.or(Some(of_image.retries).filter(|retries| *retries > 0));
    }
    health.words().is_some().then_some(health)
}

fn parse(config: &[u8]) -> Option<OfImage> {
    let value: serde_json::Value = serde_json::from_slice(config).ok()?;
    let found = value.get("config")?.get("Healthcheck")?;
    serde_json::from_value(found.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_images() {
        let found =
            |text: &str| parse(text.as_bytes()).map(|found| (found.test, found.interval, found.retries));
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (text, expected) in [
            (r#"{"config":{}}"#, None),
            (
                r#"{"config":{"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5}}}"#,
                Some((words("CMD-SHELL true"), 5, 0)),
            ),
            (r#"{"config":{"Healthcheck":{"Test":["NONE"]}}}"#, Some((words("NONE"), 0, 0))),
            (r#"{"config":{"Healthcheck":"x"}}"#, None),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn none_is_none() {
        let health = |test: &[&str]| Health {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            ..Health::default()
        };
        assert_eq!(settle(Some(health(&["NONE"])), None), None);
        assert_eq!(settle(Some(Health { interval: Some(1), ..Health::default() }), None), None);
        assert!(settle(Some(health(&["CMD", "true"])), None).is_some());
    }
}
