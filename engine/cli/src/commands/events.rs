//! `ketch events`

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use ketch_engine::events::filter::Filters;
use ketch_engine::events::read::{Follower, past};
use ketch_engine::events::{Event, Kind};
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::output::{Format, Span, go_moment, moment};

/// Show what has happened, and what happens
#[derive(Debug, clap::Parser)]
pub(crate) struct Args {
    /// KEY=VALUE: container, event, image, label, network, pod, type, volume
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template, or json
    #[arg(long)]
    format: Option<String>,
    /// Show whole ids
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set)]
    no_trunc: bool,
    /// Begin with those since then: a time (RFC 3339, a date, seconds since 1970) or an age (1h30m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Go on with what happens
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", action = clap::ArgAction::Set, overrides_with = "no_stream")]
    stream: bool,
    /// As --stream=false
    #[arg(long)]
    no_stream: bool,
    /// End with those until then: a time, or a span from now on
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Which events are shown.
struct Wanted {
    filters: Filters,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
}

impl Wanted {
    fn admit(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.time() >= since)
            && self.until.is_none_or(|until| event.time() <= until)
            && self.filters.admit(event)
    }
}

pub(crate) fn run(globals: &Globals, args: Args) -> anyhow::Result<ExitCode> {
    let streams = args.stream && !args.no_stream;
    let wanted = wanted(&args, streams).context("failed to parse event filters")?;
    let form = Form::parse(args.format.as_deref(), args.no_trunc)?;
    let engine = globals.engine()?;
    let shown = if streams {
        follow(Follower::new(&engine.paths)?, &wanted, &form)
    } else {
        show(&past(&engine.paths)?, &wanted, &form)
    };
    match shown {
        // Nobody reads any more.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        shown => shown.map(|()| ExitCode::SUCCESS),
    }
}

fn wanted(args: &Args, streams: bool) -> anyhow::Result<Wanted> {
    let mut filters = Filters::default();
    for filter in &args.filter {
        filters.add(filter)?;
    }
    let time = |which: &str, text: &Option<String>, span| {
        let parsed = text.as_deref().map(|text| {
            moment(text, span).with_context(|| {
                format!("unable to convert {which} time of {text}: unable to interpret time value")
            })
        });
        parsed.transpose()
    };
    let since = time("since", &args.since, Span::Back)?;
    let until = time("until", &args.until, Span::Ahead)?;
    // Whoever names no time wants to see what happens from now on.
    let from_now = streams && since.is_none() && until.is_none();
    Ok(Wanted { filters, since: since.or_else(|| from_now.then(SystemTime::now)), until })
}

fn follow(mut follower: Follower, wanted: &Wanted, form: &Form) -> anyhow::Result<()> {
    loop {
        let events = follower.next(wanted.until)?;
        if events.is_empty() {
            return Ok(());
        }
        show(&events, wanted, form)?;
    }
}

fn show(events: &[Event], wanted: &Wanted, form: &Form) -> anyhow::Result<()> {
    let mut text = String::new();
    for event in events.iter().filter(|event| wanted.admit(event)) {
        form.add(&mut text, event)?;
    }
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// How an event becomes a line.
enum Form {
    Text { whole_ids: bool },
    Json,
    Template(Format),
}

impl Form {
    fn parse(format: Option<&str>, whole_ids: bool) -> anyhow::Result<Form> {
        match format {
            None => Ok(Form::Text { whole_ids }),
            Some("json" | "{{json .}}" | "{{json . }}" | "{{ json . }}") => Ok(Form::Json),
            Some(template) => Ok(Form::Template(Format::parse("events", template)?)),
        }
    }

    fn add(&self, text: &mut String, event: &Event) -> anyhow::Result<()> {
        match self {
            Form::Text { whole_ids } => text.push_str(&line(event, *whole_ids)),
            Form::Json => text.push_str(&serde_json::to_string(event)?),
            Form::Template(format) => {
                text.push_str(&format.render(&[fields(event)], None)?);
                return Ok(());
            }
        }
        text.push('\n');
        Ok(())
    }
}

/// podman's sentence.
fn line(event: &Event, whole_ids: bool) -> String {
    let id = |id: &str| id.chars().take(if whole_ids { id.len() } else { 12 }).collect::<String>();
    let Event { name, image, status, .. } = event;
    let begin = format!("{} {} {status}", go_moment(event.time()), event.kind.name());
    match event.kind {
        Kind::Container | Kind::Pod => {
            let mut text = format!("{begin} {} (image={image}, name={name}", id(&event.id));
            for (key, value) in
                [("pod_id", id(&event.pod_id)), ("health_status", event.health_status.clone())]
            {
                if !value.is_empty() {
                    text.extend([", ", key, "=", &value]);
                }
            }
            for (key, value) in event.attributes.iter().flatten() {
                text.extend([", ", key, "=", value]);
            }
            text + ")"
        }
        Kind::Network => {
            format!("{begin} {} (container={}, name={})", id(&event.id), id(&event.id), event.network)
        }
        Kind::Image if event.error.is_empty() => format!("{begin} {} {name}", id(&event.id)),
        Kind::Image => format!("{begin} {} {name} {}", id(&event.id), event.error),
        Kind::Secret => format!("{begin} {}", id(&event.id)),
        Kind::System if name.is_empty() => begin,
        Kind::System | Kind::Volume => format!("{begin} {name}"),
    }
}

/// What a template sees.
fn fields(event: &Event) -> Value {
    json!({
        "Attributes": event.attributes.clone().unwrap_or_default(),
        // Go's word for a pointer to nothing.
        "ContainerExitCode": event.container_exit_code.map_or_else(|| "<nil>".into(), Value::from),
        "Error": event.error,
        "HealthStatus": event.health_status,
        "ID": event.id,
        "Image": event.image,
        "Name": event.name,
        "Network": event.network,
        "PodID": event.pod_id,
        "Status": event.status,
        "Time": event.seconds,
        "TimeNano": event.nanoseconds,
        "Type": event.kind.name(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ketch_engine::events::Action;

    #[test]
    fn lines() {
        let mut event = Event::new(Kind::Container, Action::Died, "0123456789abcdef", "web");
        (event.nanoseconds, event.image) = (1_795_541_721_666_495_430, "localhost/bb:latest".into());
        event.attributes = Some([("x".to_owned(), "y".to_owned())].into());
        let begin = "2026-11-24 17:35:21.66649543 +0000 UTC";
        assert_eq!(
            line(&event, true),
            format!("{begin} container died 0123456789abcdef (image=localhost/bb:latest, name=web, x=y)")
        );
        event.pod_id = "fedcba9876543210".into();
        assert_eq!(
            line(&event, false),
            format!(
                "{begin} container died 0123456789ab (image=localhost/bb:latest, name=web, pod_id=fedcba987654, x=y)"
            )
        );
        for (kind, expected) in [
            (Kind::Volume, "volume died web"),
            (Kind::Image, "image died 0123456789abcdef web"),
            (Kind::System, "system died web"),
        ] {
            event.kind = kind;
            assert_eq!(line(&event, true), format!("{begin} {expected}"));
        }
        (event.kind, event.error, event.id) = (Kind::Image, "no".into(), String::new());
        assert_eq!(line(&event, true), format!("{begin} image died  web no"));
    }
}
