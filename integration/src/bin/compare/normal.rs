//! What must differ between two runs is replaced by a word: ids, moments, ages, sizes, directories.

use std::path::Path;

/// Columns keep their order and lose their width: a gap of two or more blanks becomes two.
pub(crate) fn text(text: &str, dir: &Path) -> String {
    let text = text.replace(&dir.display().to_string(), "<dir>");
    // Each tells a container who runs it.
    let text = text.replace("container=podman", "container=ketch");
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(&self::line(line));
        out.push('\n');
    }
    if !text.ends_with('\n') {
        out.pop();
    }
    out
}

pub(crate) fn is_id(word: &str) -> bool {
    word.len() == 64 && is_hex(word)
}

fn line(line: &str) -> String {
    let mut fields: Vec<String> = Vec::new();
    for field in line.trim_end().replace('\t', "  ").split("  ") {
        if field.is_empty() && !fields.is_empty() {
            continue;
        }
        let words: Vec<String> = field.trim_start().split(' ').map(word).collect();
        fields.push(spans(&words.join(" ")));
    }
    fields.join("  ")
}

/// Replaces the ids and moments of a word, whatever stands around them.
fn word(word: &str) -> String {
    let mut out = String::new();
    let mut part = String::new();
    for c in word.chars().chain(['\0']) {
        if c.is_ascii_alphanumeric() || "-:.+_".contains(c) {
            part.push(c);
            continue;
        }
        out.push_str(&token(&part));
        part.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}

fn token(token: &str) -> String {
    if let Some(rest) = token.strip_prefix("sha256:") {
        return format!("sha256:{}", self::token(rest));
    }
    // A pod's infra container is named after the pod's id.
    if let Some(id) = token.strip_suffix("-infra") {
        return format!("{}-infra", self::token(id));
    }
    if let Some(rest) = token.strip_suffix([':', '.']) {
        return format!("{}{}", self::token(rest), &token[rest.len()..]);
    }
    let digits = |text: &str, at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let mark = |at: usize, mark: u8| token.as_bytes().get(at) == Some(&mark);
    match token.len() {
        64 if is_hex(token) => "<id>".to_owned(),
        12 if is_hex(token) => "<short>".to_owned(),
        10.. if digits(token, 0) && mark(4, b'-') && mark(7, b'-') => "<date>".to_owned(),
        8.. if digits(token, 0) && mark(2, b':') && mark(5, b':') => "<clock>".to_owned(),
        _ => token.to_owned(),
    }
}

/// Ages (`2 seconds ago`, `About a minute`) and sizes (`1.21 MB`), which are words with a blank between.
fn spans(field: &str) -> String {
    let field = field.replace("Less than a second", "0 seconds").replace("About a minute", "1 minute");
    let words: Vec<&str> = field.split(' ').collect();
    let mut out: Vec<&str> = Vec::new();
    for word in words {
        let number = out.last().is_some_and(|last| last.parse::<f64>().is_ok());
        let unit = word.trim_end_matches([',', ')']).trim_end_matches('s');
        let span = match unit {
            "second" | "minute" | "hour" | "day" | "week" | "month" | "year" => "<age>",
            "B" | "kB" | "MB" | "GB" => "<size>",
            _ => "",
        };
        if number && !span.is_empty() {
            out.pop();
            out.push(span);
        } else {
            out.push(word);
        }
    }
    out.join(" ")
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
