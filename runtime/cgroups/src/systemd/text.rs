//! Properties in annotations: `org.systemd.property.NAME` with a value in GVariant's text format
//! (<https://docs.gtk.org/glib/gvariant-text-format.html>), as runc and crun take them.

use super::bus::Value;
use crate::Error;

const PREFIX: &str = "org.systemd.property.";

/// The property that an annotation stands for; None for other annotations.
///
/// A name that ends in `Sec` is a time in seconds: systemd's own property ends in `USec` and has microseconds.
pub(crate) fn property(key: &str, text: &str) -> Result<Option<(String, Value)>, Error> {
    let Some(name) = key.strip_prefix(PREFIX) else { return Ok(None) };
    let refuse = |reason: String| Error::unsupported(format!("annotation {key}"), reason);
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(refuse("it names no property of systemd's".into()));
    }
    let value =
        parse(text).ok_or_else(|| refuse(format!("{text:?} is no value in GVariant's text format")))?;
    let seconds = name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U'));
    let Some(stem) = seconds else { return Ok(Some((name.to_owned(), value))) };
    let micros = match value {
        Value::I32(n) => u64::try_from(n).ok().and_then(|n| n.checked_mul(1_000_000)),
        Value::I64(n) => u64::try_from(n).ok().and_then(|n| n.checked_mul(1_000_000)),
        Value::U32(n) => u64::from(n).checked_mul(1_000_000),
        Value::U64(n) => n.checked_mul(1_000_000),
        Value::Double(n) if (0.0..1e13).contains(&n) => Some((n * 1e6) as u64),
        _ => None,
    };
    let micros = micros.ok_or_else(|| refuse(format!("{text:?} is no number of seconds")))?;
    Ok(Some((format!("{stem}USec"), Value::U64(micros))))
}

fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0)?;
    parser.rest.trim().is_empty().then_some(value)
}

/// Deeper than any property of systemd's.
const DEEPEST: usize = 8;

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        let rest = self.rest.trim_start();
        self.rest = rest;
        match rest.chars().next().filter(|_| depth < DEEPEST)? {
            '\'' | '"' => self.string().map(Value::Text),
            '[' => {
                let values = self.list('[', ']', depth)?;
                // Without a type the elements tell it; there is none to tell for an empty array.
                let element = values.first()?.signature();
                values
                    .iter()
                    .all(|value| value.signature() == element)
                    .then_some(Value::Array(element, values))
            }
            '(' => self.list('(', ')', depth).map(Value::Struct),
            '<' => {
                let mut values = self.list('<', '>', depth)?;
                (values.len() == 1).then(|| Value::Variant(Box::new(values.remove(0))))
            }
            '@' => {
                self.rest = &rest[1..];
                let signature = self.word(|c| c.is_ascii_alphabetic() || "()".contains(c));
                self.of_type(signature, depth)
            }
            c if c.is_ascii_alphabetic() => match self.word(|c| c.is_ascii_alphanumeric()) {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                keyword => {
                    let (_, signature) = KEYWORDS.iter().find(|(known, _)| *known == keyword)?;
                    self.of_type(signature, depth)
                }
            },
            _ => {
                let number = self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                let signature =
                    if number.contains(['.', 'e', 'E']) && !number.contains('x') { "d" } else { "i" };
                scalar(signature, number)
            }
        }
    }

    /// A value whose type was written before it.
    fn of_type(&mut self, signature: &str, depth: usize) -> Option<Value> {
        self.rest = self.rest.trim_start();
        if let Some(element) = signature.strip_prefix('a') {
            let mut values = Vec::new();
            self.expect('[')?;
            while !self.take(']') {
                if !values.is_empty() {
                    self.expect(',')?;
                }
                values.push(self.of_type(element, depth + 1).filter(|_| depth < DEEPEST)?);
            }
            return Some(Value::Array(element.to_owned(), values));
        }
        match signature {
            "s" => self.string().map(Value::Text),
            "o" => self.string().map(Value::Path),
            "g" => self.string().map(Value::Signature),
            "b" | "y" | "n" | "q" | "i" | "u" | "x" | "t" | "d" => {
                scalar(signature, self.word(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)))
            }
            _ => self.value(depth + 1).filter(|value| value.signature() == signature),
        }
    }

    fn list(&mut self, open: char, close: char, depth: usize) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        self.expect(open)?;
        while !self.take(close) {
            if !values.is_empty() {
                self.expect(',')?;
                // A structure of one has a comma after it.
                if self.take(close) {
                    break;
                }
            }
            values.push(self.value(depth + 1)?);
        }
        Some(values)
    }

    fn string(&mut self) -> Option<String> {
        let mut chars = self.rest.char_indices();
        let (_, quote) = chars.next().filter(|(_, c)| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    c => text.push(c),
                },
                c if c == quote => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }

    fn word(&mut self, part: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        let taken = rest.strip_prefix(c);
        self.rest = taken.unwrap_or(rest);
        taken.is_some()
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.take(c).then_some(())
    }
}

const KEYWORDS: [(&str, &str); 12] = [
    ("boolean", "b"),
    ("byte", "y"),
    ("int16", "n"),
    ("uint16", "q"),
    ("int32", "i"),
    ("uint32", "u"),
    ("int64", "x"),
    ("uint64", "t"),
    ("double", "d"),
    ("string", "s"),
    ("objectpath", "o"),
    ("signature", "g"),
];

fn scalar(signature: &str, word: &str) -> Option<Value> {
    let integer = || -> Option<i128> {
        let (negative, digits) = match word.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let value = match digits.strip_prefix("0x") {
            Some(hex) => i128::from(u64::from_str_radix(hex, 16).ok()?),
            None => i128::from(digits.parse::<u64>().ok()?),
        };
        Some(if negative { -value } else { value })
    };
    Some(match signature {
        "b" => Value::Bool(word.parse().ok()?),
        "y" => Value::Byte(integer()?.try_into().ok()?),
        "n" => Value::I16(integer()?.try_into().ok()?),
        "q" => Value::U16(integer()?.try_into().ok()?),
        "i" => Value::I32(integer()?.try_into().ok()?),
        "u" => Value::U32(integer()?.try_into().ok()?),
        "x" => Value::I64(integer()?.try_into().ok()?),
        "t" => Value::U64(integer()?.try_into().ok()?),
        "d" => Value::Double(word.parse().ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let strings =
            |list: &[&str]| Value::Array("s".into(), list.iter().map(|s| Value::text(*s)).collect());
        for (text, want) in [
            ("true", Some(Value::Bool(true))),
            ("5", Some(Value::I32(5))),
            ("-5", Some(Value::I32(-5))),
            ("0x10", Some(Value::I32(16))),
            ("1.5", Some(Value::Double(1.5))),
            ("uint64 123456789012", Some(Value::U64(123_456_789_012))),
            ("@t 7", Some(Value::U64(7))),
            ("byte 255", Some(Value::Byte(255))),
            ("byte 256", None),
            ("'a\\'b'", Some(Value::text("a'b"))),
            ("\"x\"", Some(Value::text("x"))),
            ("objectpath '/a'", Some(Value::Path("/a".into()))),
            ("['a', 'b']", Some(strings(&["a", "b"]))),
            ("@as []", Some(strings(&[]))),
            ("[]", None),
            ("['a', 1]", None),
            ("@at [1, 2]", Some(Value::Array("t".into(), vec![Value::U64(1), Value::U64(2)]))),
            (
                "[('/dev/null', 'rw')]",
                Some(Value::Array(
                    "(ss)".into(),
                    vec![Value::Struct(vec![Value::text("/dev/null"), Value::text("rw")])],
                )),
            ),
            ("<uint32 1>", Some(Value::Variant(Box::new(Value::U32(1))))),
            ("inactive", None),
            ("'a' b", None),
            ("'a", None),
            ("", None),
            ("[[[[[[[[[[1]]]]]]]]]]", None),
        ] {
            assert_eq!(parse(text), want, "{text}");
        }
    }

    #[test]
    fn annotations() {
        for (key, text, want) in [
            (
                "org.systemd.property.CollectMode",
                "'inactive'",
                Ok(Some(("CollectMode", Value::text("inactive")))),
            ),
            (
                "org.systemd.property.TimeoutStopUSec",
                "uint64 5",
                Ok(Some(("TimeoutStopUSec", Value::U64(5)))),
            ),
            (
                "org.systemd.property.TimeoutStopSec",
                "1.5",
                Ok(Some(("TimeoutStopUSec", Value::U64(1_500_000)))),
            ),
            (
                "org.systemd.property.RuntimeMaxSec",
                "10",
                Ok(Some(("RuntimeMaxUSec", Value::U64(10_000_000)))),
            ),
            ("org.systemd.property.TimeoutStopSec", "'x'", Err(())),
            ("org.systemd.property.A", "1", Err(())),
            ("org.systemd.property.A/B", "1", Err(())),
            ("com.example.x", "what ever", Ok(None)),
        ] {
            let want = want.map(|property| property.map(|(name, value)| (name.to_owned(), value)));
            assert_eq!(property(key, text).map_err(drop), want, "{key}={text}");
        }
    }
}
