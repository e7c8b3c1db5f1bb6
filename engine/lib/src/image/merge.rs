//! `commit --config`: a container configuration, in docker's form, over an image's.

use serde_json::{Map, Value};

use super::change::{object, set_env};
use super::compose::Format;

#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("the configuration is no JSON object: {0}")]
    Json(serde_json::Error),
    #[error("the configuration's {field}: {reason}")]
    Field { field: String, reason: &'static str },
}

/// Of a container, and of no image.
const OF_CONTAINER: [&str; 12] = [
    "Hostname",
    "Domainname",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "ArgsEscaped",
    "Image",
    "NetworkDisabled",
    "MacAddress",
];
const OF_DOCKER: [&str; 4] = ["Healthcheck", "OnBuild", "Shell", "StopTimeout"];

/// What `text` says goes before what `config` says: variables, ports, volumes and labels are added, an entrypoint and a command
/// replace both, and all else its like.
pub(crate) fn merge(config: &mut Map<String, Value>, text: &[u8], format: Format) -> Result<(), MergeError> {
    let over: Map<String, Value> = serde_json::from_slice(text).map_err(MergeError::Json)?;
    let fail = |field: &str, reason| MergeError::Field { field: field.to_owned(), reason };
    let words = |field: &str, value: &Value| -> Result<Vec<String>, MergeError> {
        serde_json::from_value(value.clone()).map_err(|_| fail(field, "it is no list of texts"))
    };
    let over = over.iter().filter(|(_, value)| !is_nothing(value));
    let (commands, others): (Vec<_>, Vec<_>) =
        over.partition(|(field, _)| matches!(field.as_str(), "Entrypoint" | "Cmd"));
    if !commands.is_empty() {
        config.remove("Entrypoint");
        config.remove("Cmd");
    }
    for (field, value) in commands {
        config.insert(field.clone(), words(field, value)?.into());
    }
    for (field, value) in others {
        match field.as_str() {
            "Env" => {
                for variable in words(field, value)? {
                    let (name, value) =
                        variable.split_once('=').ok_or_else(|| fail(field, "a variable has no value"))?;
                    set_env(config, name, value);
                }
            }
            "ExposedPorts" | "Volumes" | "Labels" => {
                let more = value.as_object().ok_or_else(|| fail(field, "it is no object"))?;
                object(config, field).extend(more.clone());
            }
            "User" | "WorkingDir" | "StopSignal" => {
                let text = value.as_str().ok_or_else(|| fail(field, "it is no text"))?;
                config.insert(field.clone(), text.into());
            }
            name if OF_CONTAINER.contains(&name) => {}
            name if OF_DOCKER.contains(&name) && format == Format::Docker => {
                config.insert(field.clone(), value.clone());
            }
            name if OF_DOCKER.contains(&name) => {
                return Err(fail(field, "it is part of the docker image format only (-f docker)"));
            }
            _ => return Err(fail(field, "no image has such a field")),
        }
    }
    Ok(())
}

/// As Go leaves a field empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Number(number) => number.as_i64() == Some(0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(over: &Value, format: Format) -> Result<Value, String> {
        let mut config = json!({
            "User": "a", "Env": ["A=1", "P=x"], "Entrypoint": ["e"], "Cmd": ["c"], "Labels": {"k": "v"},
        });
        let object = config.as_object_mut().expect("an object");
        merge(object, over.to_string().as_bytes(), format).map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn over_an_image() {
        let over = json!({
            "User": "b", "Env": ["A=2", "B=3"], "Cmd": ["d"], "Labels": {"l": "m"}, "ExposedPorts": {"80/tcp": {}},
            "Hostname": "h", "Tty": false, "OnBuild": null,
        });
        let expected = json!({
            "User": "b", "Env": ["A=2", "P=x", "B=3"], "Cmd": ["d"], "Labels": {"k": "v", "l": "m"},
            "ExposedPorts": {"80/tcp": {}},
        });
        assert_eq!(merged(&over, Format::Oci), Ok(expected));
        let kept = merged(&json!({"StopTimeout": 3}), Format::Docker).expect("docker's format has it");
        assert_eq!((&kept["StopTimeout"], &kept["Entrypoint"]), (&json!(3), &json!(["e"])));
    }

    #[test]
    fn refusals() {
        for (over, part) in [
            (json!([]), "no JSON object"),
            (json!({"Env": "A=1"}), "no list of texts"),
            (json!({"Env": ["A"]}), "no value"),
            (json!({"Labels": ["a"]}), "no object"),
            (json!({"User": 5}), "no text"),
            (json!({"Shell": ["sh"]}), "docker image format only"),
            (json!({"Nope": 1}), "no image has such a field"),
        ] {
            let error = merged(&over, Format::Oci).expect_err("a refusal");
            assert!(error.contains(part), "{over}: {error}");
        }
    }
}
