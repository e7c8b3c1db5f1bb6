//! A tar archive on disk as a set of named members. It is gone through once, from header to header.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::store::entries::{Entries, Kind};

/// How many links are followed from one member to the next.
const MAX_LINKS: usize = 8;

pub(super) struct Archive {
    file: File,
    members: HashMap<String, Member>,
}

enum Member {
    File {
        offset: u64,
        length: u64,
    },
    /// Name of another member. Older dockers write a layer once and link to it.
    Link(String),
}

impl Archive {
    pub(super) fn open(file: File) -> io::Result<Archive> {
        let length = file.metadata()?.len();
        let mut entries = Entries::of_file(&file);
        let mut members = HashMap::new();
        while let Some(entry) = entries.next()? {
            let offset = entries.pass()?;
            let name = String::from_utf8_lossy(&entry.path);
            let link = String::from_utf8_lossy(&entry.link);
            let member = match entry.kind {
                Kind::File if entry.sparse.is_some() => continue,
                Kind::File if offset.checked_add(entry.size).is_none_or(|end| end > length) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("the archive ends in the middle of {name}"),
                    ));
                }
                Kind::File => Member::File { offset, length: entry.size },
                Kind::HardLink => Member::Link(clean(&link)),
                Kind::Symlink => Member::Link(clean(&format!("{name}/../{link}"))),
                _ => continue,
            };
            members.insert(clean(&name), member);
        }
        drop(entries);
        Ok(Archive { file, members })
    }

    /// A member's bytes as a stream; None when there is none of this name.
    pub(super) fn stream(&self, name: &str) -> Option<Stream<'_>> {
        let mut name = clean(name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&name)? {
                Member::File { offset, length } => {
                    return Some(Stream { file: &self.file, offset: *offset, end: offset + length });
                }
                Member::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    /// A small member, whole.
    pub(super) fn read(&self, name: &str) -> Option<io::Result<Vec<u8>>> {
        const MAX: u64 = super::super::descriptor::MAX_DOCUMENT;
        let mut stream = self.stream(name)?;
        if stream.length() > MAX {
            return Some(Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB")));
        }
        let mut bytes = Vec::new();
        Some(stream.read_to_end(&mut bytes).map(|_| bytes))
    }
}

/// Part of a file. Reads by offset, so that several threads can read one file.
#[derive(Debug)]
pub(super) struct Stream<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Stream<'_> {
    pub(super) fn length(&self) -> u64 {
        self.end - self.offset
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.length()).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..limit], self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// `./a//b/../c` is `a/c`. Names here only find members of the archive itself, never a file of the host.
fn clean(name: &str) -> String {
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
