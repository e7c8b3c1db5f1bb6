//! `--change`: instructions of a Dockerfile that say something of an image's configuration.

use serde_json::{Map, Value, json};

use super::compose::Format;

const KNOWN: [&str; 12] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

#[derive(Debug, thiserror::Error)]
#[error("processing change {line:?}: {reason}")]
pub struct ChangeError {
    line: String,
    reason: String,
}

/// Carries out the lines in their order. An entrypoint is without the command that was there before, as in a Dockerfile.
pub(crate) fn apply_all(
    config: &mut Map<String, Value>,
    lines: &[String],
    format: Format,
) -> Result<(), ChangeError> {
    let is = |line: &str, name: &str| {
        line.trim().get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    if lines.iter().any(|line| is(line, "ENTRYPOINT")) {
        config.remove("Cmd");
    }
    lines.iter().try_for_each(|line| apply(config, line, format))
}

/// Carries out `INSTRUCTION words` or `INSTRUCTION=words` on the `config` of an image's configuration.
fn apply(config: &mut Map<String, Value>, line: &str, format: Format) -> Result<(), ChangeError> {
    let fail = |reason: String| ChangeError { line: line.to_owned(), reason };
    let trimmed = line.trim();
    let (name, rest) = trimmed.split_once([' ', '\t', '=']).unwrap_or((trimmed, ""));
    let rest = rest.trim();
    let name = name.to_ascii_uppercase();
    if !KNOWN.contains(&&*name) {
        return Err(fail(format!("did not understand change instruction {trimmed:?}")));
    }
    if rest.is_empty() && !["CMD", "ENTRYPOINT"].contains(&&*name) {
        return Err(fail(format!("{name} requires at least one argument")));
    }
    match name.as_str() {
        "CMD" => drop(config.insert("Cmd".to_owned(), command(rest))),
        "ENTRYPOINT" => drop(config.insert("Entrypoint".to_owned(), command(rest))),
        "ENV" => {
            for (name, value) in pairs(rest).map_err(fail)? {
                set_env(config, &name, &value);
            }
        }
        "LABEL" => {
            for (name, value) in pairs(rest).map_err(fail)? {
                object(config, "Labels").insert(name, value.into());
            }
        }
        "EXPOSE" => {
            for port in words(rest).map_err(fail)? {
                let port = if port.contains('/') { port } else { format!("{port}/tcp") };
                if !is_port(&port) {
                    return Err(fail(format!("{port:?} is not a port")));
                }
                object(config, "ExposedPorts").insert(port, json!({}));
            }
        }
        "VOLUME" => {
            let list = match list(rest) {
                Some(list) => list,
                None => words(rest).map_err(fail)?,
            };
            for path in list {
                object(config, "Volumes").insert(path, json!({}));
            }
        }
        "WORKDIR" => {
            let before = config.get("WorkingDir").and_then(Value::as_str).unwrap_or_default();
            let path = std::path::Path::new("/").join(before).join(rest);
            config.insert("WorkingDir".to_owned(), path.to_string_lossy().into());
        }
        "USER" => drop(config.insert("User".to_owned(), rest.into())),
        "STOPSIGNAL" => {
            crate::spec::signal(rest).ok_or_else(|| fail(format!("{rest:?} is not a signal")))?;
            config.insert("StopSignal".to_owned(), rest.into());
        }
        "HEALTHCHECK" => drop(config.insert("Healthcheck".to_owned(), health(rest, format).map_err(fail)?)),
        "ONBUILD" | "SHELL" if format == Format::Oci => {
            return Err(fail(format!("{name} is part of the docker image format only (-f docker)")));
        }
        "SHELL" => {
            let words = list(rest).ok_or_else(|| fail("SHELL takes a JSON list".to_owned()))?;
            config.insert("Shell".to_owned(), words.into());
        }
        _ => {
            let list = config.entry("OnBuild").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(rest.into());
            }
        }
    }
    Ok(())
}

/// Puts a variable in the place of one of its name, or behind the others.
pub(crate) fn set_env(config: &mut Map<String, Value>, name: &str, value: &str) {
    let entry = config.entry("Env").or_insert_with(|| json!([]));
    if !entry.is_array() {
        *entry = json!([]);
    }
    let Some(list) = entry.as_array_mut() else { return };
    let variable = Value::from(format!("{name}={value}"));
    let is_it = |have: &Value| {
        have.as_str().and_then(|have| have.split_once('=')).is_some_and(|(have, _)| have == name)
    };
    match list.iter_mut().find(|have| is_it(have)) {
        Some(have) => *have = variable,
        None => list.push(variable),
    }
}

/// The object of this name, made if need be.
pub(crate) fn object<'a>(config: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let entry = config.entry(name).or_insert_with(|| json!({}));
    if !entry.is_object() {
        *entry = json!({});
    }
    match entry {
        Value::Object(object) => object,
        _ => unreachable!("it has just been made one"),
    }
}

/// `CMD …` or `NONE`.
fn health(text: &str, format: Format) -> Result<Value, String> {
    if format == Format::Oci {
        return Err("HEALTHCHECK is part of the docker image format only (-f docker)".to_owned());
    }
    let (kind, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let test = match (kind.to_ascii_uppercase().as_str(), rest.trim()) {
        ("NONE", "") => json!(["NONE"]),
        ("CMD", "") => return Err("HEALTHCHECK CMD has no command".to_owned()),
        ("CMD", command) => match list(command) {
            Some(words) => ["CMD".to_owned()].into_iter().chain(words).collect(),
            None => json!(["CMD-SHELL", command]),
        },
        _ => return Err("HEALTHCHECK takes CMD and a command, or NONE".to_owned()),
    };
    Ok(json!({"Test": test}))
}

/// A JSON list is the words themselves, anything else a line for the shell.
fn command(text: &str) -> Value {
    match list(text) {
        Some(words) => words.into(),
        None if text.is_empty() => Value::Null,
        None => json!(["/bin/sh", "-c", text]),
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// `A=b C="d e"`, or `A b c`, which is one pair.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (name, value) =
            text.split_once(char::is_whitespace).ok_or_else(|| format!("{text:?} has no value"))?;
        return Ok(vec![(name.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{word:?} is not NAME=VALUE")),
    };
    words(text)?.into_iter().map(pair).collect()
}

/// Words as a shell parts them; variables are not expanded.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

fn is_port(port: &str) -> bool {
    let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
    let mut ends = number.splitn(2, '-');
    ends.all(|end| end.parse::<u16>().is_ok_and(|end| end > 0)) && ["tcp", "udp", "sctp"].contains(&protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entrypoint_and_command() {
        for (lines, command) in [
            (vec!["ENTRYPOINT /e"], None),
            (vec!["ENTRYPOINT /e", r#"CMD ["b"]"#], Some(json!(["b"]))),
            (vec![r#"CMD ["b"]"#, "entrypoint=/e"], Some(json!(["b"]))),
            (vec!["USER x"], Some(json!(["a"]))),
        ] {
            let Value::Object(mut config) = json!({"Cmd": ["a"]}) else { unreachable!() };
            let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            apply_all(&mut config, &lines, Format::Oci).unwrap();
            assert_eq!(config.get("Cmd"), command.as_ref(), "{lines:?}");
        }
    }

    #[test]
    fn instructions() {
        let before = json!({"Env": ["A=1", "P=q"], "WorkingDir": "/tmp"});
        for (line, name, expected) in [
            (r#"CMD ["a", "b c"]"#, "Cmd", json!(["a", "b c"])),
            ("CMD a b", "Cmd", json!(["/bin/sh", "-c", "a b"])),
            ("CMD=/bin/bash", "Cmd", json!(["/bin/sh", "-c", "/bin/bash"])),
            ("CMD", "Cmd", Value::Null),
            ("entrypoint []", "Entrypoint", json!([])),
            (r#"ENV A=b C="d e" D=f\ g"#, "Env", json!(["A=b", "P=q", "C=d e", "D=f g"])),
            ("ENV A b  c", "Env", json!(["A=b  c", "P=q"])),
            ("EXPOSE 80 53/udp", "ExposedPorts", json!({"80/tcp": {}, "53/udp": {}})),
            ("LABEL a=b c='d e'", "Labels", json!({"a": "b", "c": "d e"})),
            ("LABEL=blue=image", "Labels", json!({"blue": "image"})),
            ("VOLUME /a /b", "Volumes", json!({"/a": {}, "/b": {}})),
            (r#"VOLUME ["/a b"]"#, "Volumes", json!({"/a b": {}})),
            ("WORKDIR sub", "WorkingDir", json!("/tmp/sub")),
            ("WORKDIR /x", "WorkingDir", json!("/x")),
            ("USER 5:6", "User", json!("5:6")),
            ("STOPSIGNAL SIGINT", "StopSignal", json!("SIGINT")),
            ("ONBUILD RUN x", "OnBuild", json!(["RUN x"])),
            ("HEALTHCHECK CMD a b", "Healthcheck", json!({"Test": ["CMD-SHELL", "a b"]})),
            (r#"HEALTHCHECK CMD ["a", "b"]"#, "Healthcheck", json!({"Test": ["CMD", "a", "b"]})),
            (r#"SHELL ["/bin/x"]"#, "Shell", json!(["/bin/x"])),
            ("HEALTHCHECK none", "Healthcheck", json!({"Test": ["NONE"]})),
        ] {
            let Value::Object(mut config) = before.clone() else { unreachable!() };
            apply(&mut config, line, Format::Docker).unwrap();
            assert_eq!(config[name], expected, "{line}");
        }
        let mut config = Map::new();
        for (line, part) in [
            ("FROM x", "did not understand"),
            ("", "did not understand"),
            ("BOGUS", "did not understand"),
            ("ENV", "requires at least one argument"),
            ("ENV A", "has no value"),
            ("ENV A=b c", "is not NAME=VALUE"),
            ("LABEL a='b", "not closed"),
            ("EXPOSE x", "is not a port"),
            ("STOPSIGNAL NOPE", "is not a signal"),
            ("ONBUILD RUN x", "docker image format"),
            ("HEALTHCHECK CMD x", "docker image format"),
        ] {
            let error = apply(&mut config, line, Format::Oci).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
        assert!(config.is_empty());
    }
}
