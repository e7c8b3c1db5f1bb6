//! `--format`: Go templates over JSON values.

use std::sync::Arc;

use anyhow::Context;
use gotmpl::{Template, Value};
use serde_json::Map;
use serde_json::Value as Json;

/// A `--format` that is a template.
pub(crate) struct Format {
    template: Template,
    /// It begins with `table`: a heading, and columns parted by tabs.
    is_table: bool,
}

impl Format {
    /// `command` is named in errors.
    pub(crate) fn parse(command: &str, text: &str) -> anyhow::Result<Format> {
        // A shell hands `\t` on as two characters.
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let body = text.strip_prefix("table").filter(|rest| rest.starts_with([' ', '\t']));
        // In a table a blank between two fields parts columns too.
        let body = body.map(|body| body.trim_start().replace("}} {{", "}}\t{{"));
        let template = Template::new(command)
            .missing_key(gotmpl::MissingKey::Error)
            .func("json", |args| Ok(Value::String(json_text(args.first()).into())))
            .func("join", |args| Ok(Value::String(join(args).into())))
            .func("lower", |args| Ok(Value::String(text_of(args).to_lowercase().into())))
            .func("upper", |args| Ok(Value::String(text_of(args).to_uppercase().into())))
            .parse(body.as_deref().unwrap_or(&text))
            .with_context(|| format!("invalid --format {text:?}"))?;
        Ok(Format { template, is_table: body.is_some() })
    }

    pub(crate) fn is_table(&self) -> bool {
        self.is_table
    }

    /// One line a row; `heading` names the fields of a row as a table's first line does.
    pub(crate) fn render(&self, rows: &[Json], heading: Option<&[(&str, &str)]>) -> anyhow::Result<String> {
        let mut lines = Vec::new();
        if let Some(heading) = heading.filter(|_| self.is_table) {
            let names: Map<String, Json> =
                heading.iter().map(|(field, name)| ((*field).to_owned(), Json::from(*name))).collect();
            lines.push(self.template.execute_to_string(&value(&Json::Object(names)))?);
        }
        for row in rows {
            lines.push(self.template.execute_to_string(&value(row))?);
        }
        if self.is_table {
            let cells = lines.iter().map(|line| line.split('\t').map(str::to_owned).collect());
            return Ok(super::table(&cells.collect::<Vec<_>>()));
        }
        Ok(lines.iter().map(|line| format!("{line}\n")).collect())
    }
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(uint)) => Value::Uint(uint),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text.as_str().into()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(fields) => Value::Map(Arc::new(
            fields.iter().map(|(key, field)| (key.as_str().into(), value(field))).collect(),
        )),
    }
}

fn json(value: &Value) -> Json {
    match value {
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) => (*int).into(),
        Value::Uint(uint) => (*uint).into(),
        Value::Float(float) => (*float).into(),
        Value::String(text) => (**text).into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(fields) => {
            Json::Object(fields.iter().map(|(key, field)| (key.to_string(), json(field))).collect())
        }
        _ => Json::Null,
    }
}

fn json_text(value: Option<&Value>) -> String {
    json(value.unwrap_or(&Value::Nil)).to_string()
}

/// `{{join .Names ", "}}`
fn join(args: &[Value]) -> String {
    let separator = args.get(1).and_then(Value::as_str).unwrap_or_default();
    match args.first() {
        Some(Value::List(items)) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn text_of(args: &[Value]) -> String {
    args.first().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn renders() {
        let rows = [json!({"ID": "abc", "Size": 5, "Names": ["a", "b"], "Labels": {"x": "y"}})];
        for (format, text) in [
            ("{{.ID}} {{.Size}}", "abc 5\n"),
            (r"{{.ID}}\t{{.Names}}", "abc\t[a b]\n"),
            ("{{json .Labels}}", "{\"x\":\"y\"}\n"),
            (r#"{{join .Names ", "}}"#, "a, b\n"),
            ("table {{.ID}} {{.Size}}", "IMAGE ID    SIZE\nabc         5\n"),
            ("table {{.ID}}\\t{{.Size}}", "IMAGE ID    SIZE\nabc         5\n"),
        ] {
            let format = Format::parse("images", format).expect("a template");
            let heading = [("ID", "IMAGE ID"), ("Size", "SIZE")];
            assert_eq!(format.render(&rows, Some(&heading)).expect("known fields"), text);
        }
        assert!(Format::parse("images", "{{.ID").is_err());
        assert!(Format::parse("images", "{{.Nope}}").expect("a template").render(&rows, None).is_err());
    }
}
