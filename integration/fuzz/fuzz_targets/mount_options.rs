//! The options of a mount: refused, or a change of flags that says what each flag's last word says.

#![no_main]

use ketch_runtime::fuzzing;
use ketch_runtime::spec::{Mount, MountBuilder};
use ketch_sys::mount::{Change, Propagation, attr};
use libfuzzer_sys::fuzz_target;

/// A flag, and the words that set and clear it.
const FLAGS: [(u64, &str, &str); 6] = [
    (attr::RDONLY, "ro", "rw"),
    (attr::NOSUID, "nosuid", "suid"),
    (attr::NODEV, "nodev", "dev"),
    (attr::NOEXEC, "noexec", "exec"),
    (attr::NOSYMFOLLOW, "nosymfollow", "symfollow"),
    (attr::NODIRATIME, "nodiratime", "diratime"),
];

const ACCESS_TIMES: [(&str, u64); 6] = [
    ("relatime", attr::RELATIME),
    ("norelatime", attr::RELATIME),
    ("atime", attr::RELATIME),
    ("nostrictatime", attr::RELATIME),
    ("noatime", attr::NOATIME),
    ("strictatime", attr::STRICTATIME),
];

const PROPAGATIONS: [(&str, Propagation); 4] = [
    ("shared", Propagation::Shared),
    ("slave", Propagation::Slave),
    ("private", Propagation::Private),
    ("unbindable", Propagation::Unbindable),
];

const OTHERS: [&str; 16] = [
    "bind",
    "rbind",
    "remount",
    "tmpcopyup",
    "idmap",
    "ridmap",
    "sync",
    "async",
    "dirsync",
    "mand",
    "lazytime",
    "silent",
    "defaults",
    "",
    "size=64k",
    "mode=755",
];

/// A small byte is a word of the tables, an R in front makes it recursive; anything else is itself.
fn word(text: &str) -> String {
    let plain: Vec<&str> = FLAGS
        .iter()
        .flat_map(|(_, set, clear)| [*set, *clear])
        .chain(ACCESS_TIMES.iter().map(|(word, _)| *word))
        .chain(PROPAGATIONS.iter().map(|(word, _)| *word))
        .chain(OTHERS)
        .collect();
    let (recursive, index) = match text.as_bytes() {
        [index] => ("", *index),
        [b'R', index] => ("r", *index),
        _ => return text.to_owned(),
    };
    plain.get(usize::from(index)).map_or(text.to_owned(), |word| format!("{recursive}{word}"))
}

/// What the words say, one flag at a time.
fn read(words: &[String], prefix: &str) -> Change {
    let last = |word: &str| words.iter().rposition(|w| w.strip_prefix(prefix) == Some(word));
    let mut change = Change::default();
    for (flag, set, clear) in FLAGS {
        match (last(set), last(clear)) {
            (set, clear) if set > clear => change.set |= flag,
            (_, Some(_)) => change.clear |= flag,
            _ => {}
        }
    }
    if let Some((_, value)) =
        ACCESS_TIMES.iter().filter_map(|(word, value)| Some((last(word)?, *value))).max()
    {
        change.set |= value;
        change.clear |= attr::ATIME_FIELD;
    }
    let propagation = PROPAGATIONS.iter().filter_map(|(word, value)| Some((last(word)?, *value)));
    change.propagation = propagation.max_by_key(|(at, _)| *at).map(|(_, value)| value);
    change
}

fn mount(kind: &str, words: &[String]) -> Mount {
    let builder =
        MountBuilder::default().destination("/data").typ(kind).source("/source").options(words.to_vec());
    builder.build().expect("is complete")
}

fuzz_target!(|text: &str| {
    let (kind, options) = text.split_once(',').unwrap_or(("tmpfs", text));
    let words: Vec<String> = options.split(',').map(word).collect();
    for kind in [kind, "tmpfs", "bind"] {
        let Ok(planned) = fuzzing::mount(&mount(kind, &words)) else { continue };
        assert_eq!(planned.change, read(&words, ""), "{kind} {words:?}");
        assert_eq!(planned.recursive, read(&words, "r"), "{kind} {words:?}");
        assert!(!words.iter().any(|word| word == "idmap" || word == "ridmap"), "{words:?}");
    }
});
