//! Detach keys: their spelling, and finding them in what is typed.

/// `ctrl-p,ctrl-q`, `ctrl-@`, `a` … → bytes. Errors name the part that is not a key.
pub fn parse_detach_keys(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.split(',').map(key).collect()
}

fn key(text: &str) -> Result<u8, String> {
    let invalid =
        || format!("{text:?} is not a detach key: one ASCII character, or ctrl- and one of a-z @ [ \\ ] ^ _");
    match (text.as_bytes(), text.strip_prefix("ctrl-").map(str::as_bytes)) {
        ([character], _) if character.is_ascii() => Ok(*character),
        // What a terminal makes of ctrl: the lowest five bits.
        (_, Some([letter @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')])) => Ok(letter & 0x1f),
        _ => Err(invalid()),
    }
}

/// Finds the key sequence in a stream of input.
#[derive(Debug)]
pub(crate) struct Matcher {
    keys: Vec<u8>,
    /// How many of `keys` the last input ends with; they are held back.
    matched: usize,
}

impl Matcher {
    pub(crate) fn new(keys: Vec<u8>) -> Matcher {
        Matcher { keys, matched: 0 }
    }

    /// Adds to `out` what of `input` is surely no part of the sequence; true when the sequence is complete.
    pub(crate) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            out.extend_from_slice(input);
            return false;
        }
        for byte in input {
            self.step(*byte, out);
            if self.matched == self.keys.len() {
                return true;
            }
        }
        false
    }

    /// What is held back, at the end of the input.
    pub(crate) fn rest(&mut self) -> &[u8] {
        let held = self.matched;
        self.matched = 0;
        &self.keys[..held]
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.keys[self.matched] == byte {
            self.matched += 1;
            return;
        }
        // The longest suffix of the held bytes and this one with which the sequence may still begin.
        let mut seen = self.keys[..self.matched].to_vec();
        seen.push(byte);
        let skip = (1..=seen.len()).find(|n| self.keys.starts_with(&seen[*n..])).unwrap_or(seen.len());
        out.extend_from_slice(&seen[..skip]);
        self.matched = seen.len() - skip;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_bytes() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("a", b"a"),
            ("ctrl-p,ctrl-q", b"\x10\x11"),
            ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\0\x1b\x1c\x1d\x1e\x1f"),
            ("a,ctrl-a,Z", b"a\x01Z"),
        ] {
            assert_eq!(parse_detach_keys(text).unwrap(), bytes, "{text}");
        }
        for (text, part) in
            [("ctrl-", "ctrl-"), ("a,,b", "\"\""), ("ctrl-1", "ctrl-1"), ("a,xy", "xy"), ("é", "é")]
        {
            assert!(parse_detach_keys(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn finds_the_sequence_and_forwards_the_rest() {
        type Case<'c> = (&'c [u8], &'c [&'c [u8]], &'c [u8], bool);
        let cases: [Case<'_>; 8] = [
            (b"", &[b"abc"], b"abc", false),
            (b"pq", &[b"abc"], b"abc", false),
            (b"pq", &[b"apq"], b"a", true),
            (b"pq", &[b"ap", b"q"], b"a", true),
            (b"pq", &[b"p", b"x"], b"px", false),
            (b"pq", &[b"ppq"], b"p", true),
            (b"aab", &[b"aaab"], b"a", true),
            (b"abab", &[b"abaabab"], b"aba", true),
        ];
        for (keys, inputs, forwarded, detached) in cases {
            let mut matcher = Matcher::new(keys.to_vec());
            let mut out = Vec::new();
            let found = inputs.iter().any(|input| matcher.feed(input, &mut out));
            assert_eq!((out.as_slice(), found), (forwarded, detached), "{keys:?} {inputs:?}");
        }
        let mut matcher = Matcher::new(b"pq".to_vec());
        assert!(!matcher.feed(b"p", &mut Vec::new()));
        assert_eq!(matcher.rest(), b"p");
    }
}
