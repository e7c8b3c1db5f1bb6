//! The key sequence that leaves a process running and goes away from it.

/// Finds a sequence in what is typed, however it is cut into reads.
#[derive(Debug)]
pub(super) struct Detach<'a> {
    keys: &'a [u8],
    /// How many keys of the sequence have been typed; they are held back until it is clear what they are.
    typed: usize,
}

impl<'a> Detach<'a> {
    /// Without `keys` nothing is ever found.
    pub(super) fn new(keys: &'a [u8]) -> Detach<'a> {
        Detach { keys, typed: 0 }
    }

    /// Adds to `passed` what of `typed` goes to the process. True once the sequence is complete.
    pub(super) fn filter(&mut self, typed: &[u8], passed: &mut Vec<u8>) -> bool {
        if self.keys.is_empty() {
            passed.extend_from_slice(typed);
            return false;
        }
        for &key in typed {
            // On a mismatch the held keys may still hold a shorter beginning: a, a, a for "a,a,b".
            while self.typed > 0 && self.keys[self.typed] != key {
                let held = &self.keys[..self.typed];
                let shorter = (0..self.typed).rev().find(|n| held.ends_with(&self.keys[..*n])).unwrap_or(0);
                passed.extend_from_slice(&held[..self.typed - shorter]);
                self.typed = shorter;
            }
            if self.keys[self.typed] != key {
                passed.push(key);
                continue;
            }
            self.typed += 1;
            if self.typed == self.keys.len() {
                return true;
            }
        }
        false
    }

    /// The keys held back, when nothing more is typed.
    pub(super) fn held(&mut self) -> &'a [u8] {
        &self.keys[..std::mem::take(&mut self.typed)]
    }
}

#[cfg(test)]
mod tests {
    use super::Detach;

    #[test]
    fn sequences() {
        let (p, q) = (b"\x10".as_slice(), b"\x11".as_slice());
        let both: &[u8] = b"\x10\x11";
        for (keys, reads, passed, found) in [
            (b"".as_slice(), vec![b"ls\n".as_slice(), b"\x10\x11"], b"ls\n\x10\x11".as_slice(), false),
            (both, vec![both], b"", true),
            (both, vec![b"ls", p, q], b"ls", true),
            (both, vec![p, b"x", q], b"\x10x\x11", false),
            (both, vec![p, p, q], p, true),
            (both, vec![b"\x10\x11rest"], b"", true),
            (b"aab", vec![b"aaab"], b"a", true),
            (b"aab", vec![b"aac", b"aa"], b"aac", false),
        ] {
            let (mut detach, mut out) = (Detach::new(keys), Vec::new());
            let got = reads.iter().any(|read| detach.filter(read, &mut out));
            assert_eq!((out.as_slice(), got), (passed, found), "{keys:?} in {reads:?}");
        }
    }

    #[test]
    fn held_keys_are_given_up_once() {
        let (mut detach, mut out) = (Detach::new(b"abc"), Vec::new());
        detach.filter(b"xab", &mut out);
        assert_eq!(
            (out.as_slice(), detach.held(), detach.held()),
            (b"x".as_slice(), b"ab".as_slice(), b"".as_slice())
        );
    }
}
