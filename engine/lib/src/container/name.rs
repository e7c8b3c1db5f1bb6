//! Ids and names for containers that were given none.

use ketch_sys::{Errno, random};

const ADJECTIVES: [&str; 64] = [
    "able", "amber", "ample", "azure", "balmy", "bold", "brave", "breezy", "bright", "brisk", "calm",
    "candid", "clear", "clever", "cosy", "crisp", "daring", "deft", "eager", "early", "even", "fair",
    "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand", "hardy", "hearty", "honest",
    "jolly", "keen", "kind", "light", "lively", "loyal", "lucid", "lucky", "mellow", "merry", "mild", "neat",
    "nimble", "noble", "patient", "placid", "plucky", "polite", "proud", "quick", "quiet", "ready", "salty",
    "serene", "sharp", "silver", "snug", "steady", "sunny", "swift", "trusty",
];

const NOUNS: [&str; 64] = [
    "albatross",
    "anchor",
    "auk",
    "bay",
    "beacon",
    "bosun",
    "bowline",
    "breaker",
    "buoy",
    "capstan",
    "cormorant",
    "cove",
    "crane",
    "current",
    "cutter",
    "dinghy",
    "dolphin",
    "drifter",
    "eddy",
    "estuary",
    "ferry",
    "fjord",
    "gannet",
    "gull",
    "halyard",
    "harbour",
    "haven",
    "hawser",
    "helm",
    "heron",
    "inlet",
    "island",
    "jetty",
    "keel",
    "lagoon",
    "lantern",
    "lighthouse",
    "lugger",
    "marina",
    "mast",
    "mizzen",
    "narwhal",
    "oar",
    "otter",
    "pelican",
    "petrel",
    "pilot",
    "plover",
    "puffin",
    "quay",
    "reef",
    "rudder",
    "sail",
    "schooner",
    "seal",
    "skiff",
    "sloop",
    "sound",
    "tern",
    "tide",
    "tiller",
    "wake",
    "walrus",
    "yawl",
];

/// 64 hex digits that no other container has, here or elsewhere.
pub(crate) fn id() -> Result<String, Errno> {
    use std::fmt::Write;
    let mut bytes = [0; 32];
    random::fill(&mut bytes)?;
    Ok(bytes.iter().fold(String::with_capacity(64), |mut id, byte| {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
        id
    }))
}

/// `swift_otter`; from the `attempt`th collision on with a number behind it.
pub(super) fn random_name(attempt: u32) -> Result<String, Errno> {
    let mut bytes = [0; 4];
    random::fill(&mut bytes)?;
    let [adjective, noun, high, low] = bytes;
    let (adjective, noun) = (ADJECTIVES[usize::from(adjective) % 64], NOUNS[usize::from(noun) % 64]);
    Ok(match attempt {
        0..8 => format!("{adjective}_{noun}"),
        _ => format!("{adjective}_{noun}{}", u16::from_be_bytes([high, low])),
    })
}

/// podman's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
pub(crate) fn is_valid(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["a", "web-1", "A_b.c", "0"] {
            assert!(is_valid(name), "{name}");
        }
        for name in ["", "-a", ".a", "_a", "a/b", "a b", "\u{e9}", "a\n"] {
            assert!(!is_valid(name), "{name:?}");
        }
    }

    #[test]
    fn what_is_made_up_is_valid() {
        for attempt in 0..20 {
            let name = random_name(attempt).unwrap();
            assert!(is_valid(&name), "{name}");
        }
        let id = id().unwrap();
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn the_lists_repeat_nothing() {
        for mut list in [ADJECTIVES, NOUNS] {
            list.sort_unstable();
            assert!(list.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
