//! Values with their D-Bus types, and how they are written down.

/// A value of any D-Bus type that a unit's property has, but for dictionaries and descriptors.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Byte(u8),
    Bool(bool),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    Double(f64),
    Text(String),
    Path(String),
    Signature(String),
    /// The signature of an element, as there may be none; and the elements, all of that type.
    Array(String, Vec<Value>),
    Struct(Vec<Value>),
    Variant(Box<Value>),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// `(sv)`: how a property is handed over.
    pub(crate) fn property(name: &str, value: Value) -> Value {
        Value::Struct(vec![Value::text(name), Value::Variant(Box::new(value))])
    }

    pub(crate) fn signature(&self) -> String {
        match self {
            Value::Byte(_) => "y".into(),
            Value::Bool(_) => "b".into(),
            Value::I16(_) => "n".into(),
            Value::U16(_) => "q".into(),
            Value::I32(_) => "i".into(),
            Value::U32(_) => "u".into(),
            Value::I64(_) => "x".into(),
            Value::U64(_) => "t".into(),
            Value::Double(_) => "d".into(),
            Value::Text(_) => "s".into(),
            Value::Path(_) => "o".into(),
            Value::Signature(_) => "g".into(),
            Value::Array(element, _) => format!("a{element}"),
            Value::Struct(fields) => {
                format!("({})", fields.iter().map(Value::signature).collect::<String>())
            }
            Value::Variant(_) => "v".into(),
        }
    }

    /// Appends the value, little-endian, aligned from the start of `out` on.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Byte(value) => out.push(*value),
            Value::Bool(value) => number(out, &u32::from(*value).to_le_bytes()),
            Value::I16(value) => number(out, &value.to_le_bytes()),
            Value::U16(value) => number(out, &value.to_le_bytes()),
            Value::I32(value) => number(out, &value.to_le_bytes()),
            Value::U32(value) => number(out, &value.to_le_bytes()),
            Value::I64(value) => number(out, &value.to_le_bytes()),
            Value::U64(value) => number(out, &value.to_le_bytes()),
            Value::Double(value) => number(out, &value.to_le_bytes()),
            Value::Text(text) | Value::Path(text) => {
                number(out, &length(text.len()));
                out.extend(text.bytes());
                out.push(0);
            }
            Value::Signature(text) => signature(out, text),
            Value::Array(element, values) => array(out, element, values),
            Value::Struct(fields) => {
                align(out, 8);
                fields.iter().for_each(|field| field.write(out));
            }
            Value::Variant(value) => {
                signature(out, &value.signature());
                value.write(out);
            }
        }
    }
}

/// The length counts the elements alone, not the padding before the first.
fn array(out: &mut Vec<u8>, element: &str, values: &[Value]) {
    number(out, &[0; 4]);
    let at = out.len() - 4;
    align(out, alignment(element));
    let start = out.len();
    values.iter().for_each(|value| value.write(out));
    let bytes = length(out.len() - start);
    out[at..at + 4].copy_from_slice(&bytes);
}

/// A number is aligned to its own size.
fn number(out: &mut Vec<u8>, bytes: &[u8]) {
    align(out, bytes.len());
    out.extend(bytes);
}

fn signature(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend(text.bytes());
    out.push(0);
}

/// A message of more than 4 GiB is none: the bus refuses one of 128 MiB.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

pub(super) fn align(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

fn alignment(signature: &str) -> usize {
    match signature.as_bytes().first() {
        Some(b'y' | b'g' | b'v') => 1,
        Some(b'n' | b'q') => 2,
        Some(b'x' | b't' | b'd' | b'(' | b'{') => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes() {
        let strings =
            |list: &[&str]| Value::Array("s".into(), list.iter().map(|s| Value::text(*s)).collect());
        for (value, signature, bytes) in [
            (Value::Bool(true), "b", &b"\x01\0\0\0"[..]),
            (Value::text("ab"), "s", b"\x02\0\0\0ab\0"),
            (Value::U64(258), "t", b"\x02\x01\0\0\0\0\0\0"),
            (
                Value::Array("u".into(), vec![Value::U32(7), Value::U32(8)]),
                "au",
                b"\x08\0\0\0\x07\0\0\0\x08\0\0\0",
            ),
            // No element, but the padding before the first.
            (Value::Array("t".into(), vec![]), "at", b"\0\0\0\0\0\0\0\0"),
            (strings(&["a", "b"]), "as", b"\x0e\0\0\0\x01\0\0\0a\0\0\0\x01\0\0\0b\0"),
            (Value::Variant(Box::new(Value::U32(5))), "v", b"\x01u\0\0\x05\0\0\0"),
            (Value::property("A", Value::Bool(true)), "(sv)", b"\x01\0\0\0A\0\x01b\0\0\0\0\x01\0\0\0"),
            (
                Value::Array("(sv)".into(), vec![Value::property("A", Value::Byte(9))]),
                "a(sv)",
                b"\x0a\0\0\0\0\0\0\0\x01\0\0\0A\0\x01y\0\x09",
            ),
        ] {
            let mut out = Vec::new();
            value.write(&mut out);
            assert_eq!(value.signature(), signature);
            assert_eq!(out, bytes, "{value:?}");
        }
    }
}
