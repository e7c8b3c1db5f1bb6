//! What a process inside may send over init's channel: it is understood or refused, and what is understood once is understood
//! as the same again.

#![no_main]

use std::fs::File;
use std::os::fd::OwnedFd;

use ketch_runtime::fuzzing::message;
use libfuzzer_sys::fuzz_target;

/// The first byte says how many descriptors come with the message.
fn read(bytes: &[u8]) -> Option<Vec<u8>> {
    let (count, bytes) = bytes.split_first()?;
    let open = |_| OwnedFd::from(File::open("/dev/null").expect("it is there"));
    message(bytes, (0..count % 3).map(open).collect())
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(first) = read(bytes) {
        let count = bytes[0];
        let again = read(&[&[count], &first[..]].concat());
        assert_eq!(again.as_ref(), Some(&first));
    }
});
