//! A tar archive on disk, or a directory, as a set of named members. A tar is gone through once, from header to header.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::store::entries::{Entries, Kind};

/// How many links are followed from one member to the next.
const MAX_LINKS: usize = 8;

pub(super) struct Archive {
    /// None: a directory.
    file: Option<File>,
    members: HashMap<String, Member>,
}

enum Member {
    File {
        offset: u64,
        length: u64,
    },
    /// In a directory.
    Path(PathBuf),
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
        Ok(Archive { file: Some(file), members })
    }

    /// Of a directory: what is in it, and in the `blobs/sha256` of an image layout.
    pub(super) fn of_directory(path: &Path) -> io::Result<Archive> {
        let mut members = HashMap::new();
        for sub in ["", "blobs/sha256"] {
            let entries = match fs::read_dir(path.join(sub)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !sub.is_empty() => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    let name = format!("{sub}/{}", entry.file_name().to_string_lossy());
                    members.insert(clean(&name), Member::Path(entry.path()));
                }
            }
        }
        Ok(Archive { file: None, members })
    }

    /// A member's bytes as a stream; None when there is none of this name.
    pub(super) fn stream(&self, name: &str) -> Option<Stream<'_>> {
        let mut name = clean(name);
        for _ in 0..MAX_LINKS {
            match self.members.get(&name)? {
                Member::File { offset, length } => {
                    let file = Bytes::Shared(self.file.as_ref()?);
                    return Some(Stream { file, offset: *offset, end: offset + length });
                }
                Member::Path(path) => {
                    // One that has gone is missing.
                    let file = File::open(path).ok()?;
                    let end = file.metadata().ok()?.len();
                    return Some(Stream { file: Bytes::Own(file), offset: 0, end });
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
    file: Bytes<'a>,
    offset: u64,
    end: u64,
}

#[derive(Debug)]
enum Bytes<'a> {
    Shared(&'a File),
    Own(File),
}

impl Stream<'_> {
    pub(super) fn length(&self) -> u64 {
        self.end - self.offset
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = usize::try_from(self.length()).unwrap_or(usize::MAX).min(buffer.len());
        let file = match &self.file {
            Bytes::Shared(file) => file,
            Bytes::Own(file) => file,
        };
        let count = file.read_at(&mut buffer[..limit], self.offset)?;
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
