//! Image references: refused, or completed to one whose text is read as the same again.

#![no_main]
#![allow(dead_code, reason = "of the module, what the engine alone uses")]

use libfuzzer_sys::fuzz_target;

// By its file: the engine has databases and TLS behind it, which would all be built for the fuzzer.
#[path = "../../../engine/lib/src/image/reference.rs"]
mod reference;

fuzz_target!(|text: &str| {
    let Ok(reference) = reference::Reference::parse(text) else { return };
    // With a digest the tag is not shown.
    let tag = reference.tag.clone().filter(|_| reference.digest.is_none());
    let reference = reference::Reference { tag, ..reference };
    let shown = reference.to_string();
    let again =
        reference::Reference::parse(&shown).unwrap_or_else(|error| panic!("{text:?} → {shown:?}: {error}"));
    assert_eq!(again, reference, "{text:?} → {shown:?}");
    for part in reference.repository.split('/') {
        assert!(!part.is_empty() && part != "." && part != "..", "{text:?} → {shown:?}");
    }
    let sound = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    assert!(
        sound(&reference.registry) && sound(&reference.repository) && sound(reference.selector()),
        "{shown:?}"
    );
});
