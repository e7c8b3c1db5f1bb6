//! ps(1)'s own arguments, as podman's `top` takes them: `-eo pid,args`, `-ef`, `aux`. No ps is run: its columns are those of
//! [`TABLE`](super::column), under their names there.

use super::column::{Column, UnknownColumn, parse};

/// Names of ps(1) for what has another one in podman's list.
const ALIASES: [(&str, &str); 27] = [
    ("%cpu", "pcpu"),
    ("c", "pcpu"),
    ("cmd", "args"),
    ("command", "args"),
    ("cputime", "time"),
    ("egid", "gid"),
    ("egroup", "group"),
    ("euid", "uid"),
    ("euser", "user"),
    ("lstart", "stime"),
    ("ni", "nice"),
    ("pgrp", "pgid"),
    ("rssize", "rss"),
    ("rsz", "rss"),
    ("s", "state"),
    ("start", "stime"),
    ("start_time", "stime"),
    ("stat", "state"),
    ("supgrp", "groups"),
    ("tname", "tty"),
    ("tt", "tty"),
    ("ucmd", "comm"),
    ("ucomm", "comm"),
    ("uname", "user"),
    ("vsize", "vsz"),
    ("bsdstart", "stime"),
    ("bsdtime", "time"),
];

const FULL: &str = "user,pid,ppid,pcpu,stime,tty,time,args";
const AUX: &str = "user,pid,pcpu,vsz,rss,tty,state,stime,time,args";

/// The columns that `words` ask for; podman's descriptors too.
pub fn columns(words: &[String]) -> Result<Vec<Column>, UnknownColumn> {
    let is_bsd =
        |word: &str| word.contains('a') && word.contains('x') && word.bytes().all(|c| b"auxw".contains(&c));
    let Some(first) = words.first().filter(|first| first.starts_with('-') || is_bsd(first)) else {
        return parse(words);
    };
    if is_bsd(first.trim_start_matches('-')) {
        return parse(&[AUX.to_owned()]);
    }
    let mut wanted: Vec<String> = Vec::new();
    let mut full = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').ok_or_else(|| UnknownColumn::new(word))?;
        for (at, letter) in letters.char_indices() {
            match letter {
                // All processes of the container are shown in any case.
                'e' | 'A' | 'a' | 'x' | 'w' => {}
                'f' | 'F' | 'l' => full = true,
                // The rest of the word, or the next one.
                'o' => {
                    let rest = &letters[at + 1..];
                    let list = if rest.is_empty() { words.next().map(String::as_str) } else { Some(rest) };
                    wanted.extend(list.unwrap_or_default().split(',').map(plain));
                    break;
                }
                _ => return Err(UnknownColumn::new(word)),
            }
        }
    }
    match (wanted.is_empty(), full) {
        (false, _) => parse(&wanted),
        (true, true) => parse(&[FULL.to_owned()]),
        (true, false) => parse(&["pid,tty,time,comm".to_owned()]),
    }
}

fn plain(name: &str) -> String {
    let found = ALIASES.iter().find(|(alias, _)| *alias == name);
    found.map_or(name, |(_, plain)| plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ps() {
        for (words, expected) in [
            ("pid args", Some("pid,args")),
            ("-eo pid,args", Some("pid,args")),
            ("-o pid,cmd -e", Some("pid,args")),
            ("-opid,%cpu", Some("pid,pcpu")),
            ("-e -f", Some(FULL)),
            ("-ef", Some(FULL)),
            ("aux", Some(AUX)),
            ("-aux", Some(AUX)),
            ("-e", Some("pid,tty,time,comm")),
            ("-o bogus", None),
            ("-q 1", None),
            ("-e pid", None),
        ] {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let expected = expected.map(|list| parse(&[list.to_owned()]).unwrap());
            assert_eq!(columns(&words).ok(), expected, "{words:?}");
        }
    }
}
