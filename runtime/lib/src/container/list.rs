//! `list`: every container below a root.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ketch_sys::file;
use nix::fcntl::OFlag;

use super::glance::Glance;
use super::state::{FILE, Status};

/// What is to be shown of all containers below a root.
#[derive(Debug)]
pub struct List {
    root: OwnedFd,
    /// The first two documents of each `state.json`, one after the other.
    texts: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl List {
    /// Reads all states below `root`, by id; one that is not yet written is passed over.
    pub fn read(root: &Path) -> std::io::Result<List> {
        let ids = ids(root)?;
        let root = file::open(root, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        let mut list = List { root, texts: String::new(), ends: Vec::with_capacity(ids.len()) };
        let (mut buffer, mut path) = (Vec::new(), String::new());
        for id in ids {
            path.clear();
            path.extend([&id, "/", FILE]);
            let text = file::read_at(&list.root, path.as_str(), &mut buffer).unwrap_or_default();
            let documents = text.split_inclusive(|byte| *byte == b'\n').take(2).map(<[u8]>::len).sum();
            if let Ok(documents) = str::from_utf8(&text[..documents]) {
                list.texts.push_str(documents);
                list.ends.push(list.texts.len());
            }
        }
        Ok(list)
    }

    /// The containers, with how they are doing now; one whose state is damaged is passed over.
    pub fn containers(&self) -> impl Iterator<Item = (Glance<'_>, Status)> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let texts = starts.zip(&self.ends).map(|(start, end)| &self.texts[*start..*end]);
        texts.filter_map(|text| Glance::read(text).ok()).map(|glance| {
            let status = glance.status(self.root.as_fd());
            (glance, status)
        })
    }
}

/// The names below `root`, sorted; whether a container is whole is not looked at.
pub fn ids(root: &Path) -> std::io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in root.read_dir()? {
        ids.extend(entry?.file_name().into_string());
    }
    ids.sort_unstable();
    Ok(ids)
}
