//! Messages: what is sent is a method call, what is read is an answer, an error or a signal.

use super::value::{Value, align};

/// A method call that is to be answered.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
    pub arguments: Vec<Value>,
}

impl Call<'_> {
    /// The whole message. `serial` is not 0, and no other call's.
    pub(crate) fn encode(&self, serial: u32) -> Vec<u8> {
        let mut body = Vec::new();
        self.arguments.iter().for_each(|argument| argument.write(&mut body));
        let signature: String = self.arguments.iter().map(Value::signature).collect();

        let field =
            |code: u8, value: Value| Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))]);
        let mut fields = vec![
            field(PATH, Value::Path(self.path.to_owned())),
            field(INTERFACE, Value::text(self.interface)),
            field(MEMBER, Value::text(self.member)),
            field(DESTINATION, Value::text(self.destination)),
        ];
        if !signature.is_empty() {
            fields.push(field(SIGNATURE, Value::Signature(signature)));
        }
        // Little-endian, a method call, no flags, version 1.
        let mut message = vec![b'l', METHOD_CALL, 0, 1];
        Value::U32(body.len() as u32).write(&mut message);
        Value::U32(serial).write(&mut message);
        Value::Array("(yv)".into(), fields).write(&mut message);
        align(&mut message, 8);
        message.extend(body);
        message
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The serial of the call that is answered.
    Answer(u32),
    Error(u32, String),
    /// The signal's name.
    Signal(String),
    /// Calls, which nobody answers, and types to come.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub kind: Kind,
    /// The strings, object paths and numbers (in decimal) of the body, up to the first value of another type.
    pub body: Vec<String>,
}

// Message types and header fields, as the specification numbers them.
const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The part of a message whose size is always the same, up to the length of the header fields.
pub(super) const FIXED: usize = 16;

/// The specification's limit.
const LARGEST: usize = 128 << 20;

/// The length of the message that begins with these [`FIXED`] bytes.
pub(super) fn length(fixed: &[u8]) -> Option<usize> {
    let order = Order::of(*fixed.first()?)?;
    let (body, fields) = (order.u32(fixed, 4)? as usize, order.u32(fixed, 12)? as usize);
    let length = (FIXED + fields).next_multiple_of(8) + body;
    (length <= LARGEST).then_some(length)
}

/// Reads a whole message; None if it is malformed.
pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
    let order = Order::of(*bytes.first()?)?;
    let kind = *bytes.get(1)?;
    let end = FIXED + order.u32(bytes, 12)? as usize;

    let (mut member, mut error, mut serial, mut signature) = (String::new(), String::new(), 0, String::new());
    let mut cursor = Cursor { bytes: bytes.get(..end)?, at: FIXED, order };
    while cursor.at < end {
        cursor.align(8);
        let code = cursor.byte()?;
        let type_ = cursor.signature()?;
        let value = cursor.value(type_.as_bytes())?;
        match code {
            MEMBER => member = value,
            ERROR_NAME => error = value,
            REPLY_SERIAL => serial = value.parse().ok()?,
            SIGNATURE => signature = value,
            _ => {}
        }
    }
    let kind = match kind {
        METHOD_RETURN => Kind::Answer(serial),
        ERROR => Kind::Error(serial, error),
        SIGNAL => Kind::Signal(member),
        _ => Kind::Other,
    };
    // The body's values are aligned from its own start on, which is a multiple of 8 from the message's.
    let mut cursor = Cursor { bytes, at: end.next_multiple_of(8), order };
    let body = signature.bytes().map_while(|type_| cursor.value(&[type_])).collect();
    Some(Message { kind, body })
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(byte: u8) -> Option<Order> {
        match byte {
            b'l' => Some(Order::Little),
            b'B' => Some(Order::Big),
            _ => None,
        }
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        })
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    order: Order,
}

impl Cursor<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn byte(&mut self) -> Option<u8> {
        self.at += 1;
        self.bytes.get(self.at - 1).copied()
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4);
        self.at += 4;
        self.order.u32(self.bytes, self.at - 4)
    }

    /// `length` bytes and the NUL after them.
    fn text(&mut self, length: usize) -> Option<String> {
        let end = self.at.checked_add(length)?;
        let text = self.bytes.get(self.at..end)?;
        self.at = end + 1;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()?;
        self.text(length.into())
    }

    fn value(&mut self, type_: &[u8]) -> Option<String> {
        match type_ {
            b"s" | b"o" => {
                let length = self.u32()? as usize;
                self.text(length)
            }
            b"g" => self.signature(),
            b"u" | b"b" => self.u32().map(|number| number.to_string()),
            b"v" => {
                let type_ = self.signature()?;
                self.value(type_.as_bytes())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message as a bus sends it: an answer to `serial`, or a signal.
    pub(crate) fn sent(kind: &Kind, arguments: &[Value]) -> Vec<u8> {
        let field =
            |code: u8, value: Value| Value::Struct(vec![Value::Byte(code), Value::Variant(Box::new(value))]);
        let (type_, mut fields) = match kind {
            Kind::Answer(serial) => (METHOD_RETURN, vec![field(REPLY_SERIAL, Value::U32(*serial))]),
            Kind::Error(serial, name) => {
                let name = field(ERROR_NAME, Value::text(name));
                (ERROR, vec![field(REPLY_SERIAL, Value::U32(*serial)), name])
            }
            Kind::Signal(name) => (SIGNAL, vec![field(MEMBER, Value::text(name))]),
            Kind::Other => (9, vec![]),
        };
        fields.push(field(SIGNATURE, Value::Signature(arguments.iter().map(Value::signature).collect())));
        let mut body = Vec::new();
        arguments.iter().for_each(|argument| argument.write(&mut body));
        let mut message = vec![b'l', type_, 0, 1];
        Value::U32(body.len() as u32).write(&mut message);
        Value::U32(1).write(&mut message);
        Value::Array("(yv)".into(), fields).write(&mut message);
        align(&mut message, 8);
        message.extend(body);
        message
    }

    /// The bytes that busctl and every other client send for this call.
    #[test]
    fn hello() {
        let call = Call {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
            member: "Hello",
            arguments: vec![],
        };
        let expected = b"l\x01\0\x01\0\0\0\0\x01\0\0\0\x6d\0\0\0\
            \x01\x01o\0\x15\0\0\0/org/freedesktop/DBus\0\0\0\
            \x02\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0\
            \x03\x01s\0\x05\0\0\0Hello\0\0\0\
            \x06\x01s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0";
        assert_eq!(call.encode(1), expected);
    }

    #[test]
    fn messages() {
        let arguments =
            [Value::U32(7), Value::Path("/job/7".into()), Value::text("a.scope"), Value::text("done")];
        for kind in [
            Kind::Answer(3),
            Kind::Error(4, "org.freedesktop.systemd1.UnitExists".into()),
            Kind::Signal("JobRemoved".into()),
            Kind::Other,
        ] {
            let bytes = sent(&kind, &arguments);
            assert_eq!(length(&bytes[..FIXED]), Some(bytes.len()));
            let body = ["7", "/job/7", "a.scope", "done"].map(str::to_owned).to_vec();
            assert_eq!(decode(&bytes), Some(Message { kind, body }));
        }
    }

    /// What comes from a socket is never trusted to be whole.
    #[test]
    fn cut_off_at_any_byte() {
        let bytes = sent(&Kind::Signal("JobRemoved".into()), &[Value::text("a"), Value::U32(1)]);
        for cut in 0..bytes.len() {
            if let Some(message) = decode(&bytes[..cut]) {
                assert!(message.body.len() < 2, "{cut}: {message:?}");
            }
        }
        assert_eq!(length(b"l\x02\0\x01\xff\xff\xff\xff\x01\0\0\0\0\0\0\0"), None);
        assert_eq!(length(b"x\x02\0\x01\0\0\0\0\x01\0\0\0\0\0\0\0"), None);
    }
}
