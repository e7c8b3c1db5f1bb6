//! Tar streams made entry by entry, so that they can say what no honest writer says.

/// A tar under construction.
#[derive(Default)]
pub(crate) struct Tarball(Vec<u8>);

impl Tarball {
    pub(crate) fn new() -> Tarball {
        Tarball::default()
    }

    pub(crate) fn file(self, path: &str, content: &[u8]) -> Tarball {
        self.entry(b'0', path, "", 0o644, content)
    }

    pub(crate) fn dir(self, path: &str, mode: u32) -> Tarball {
        self.entry(b'5', path, "", mode, b"")
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Tarball {
        self.entry(b'2', path, target, 0o777, b"")
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Tarball {
        self.entry(b'1', path, target, 0o644, b"")
    }

    pub(crate) fn entry(self, flag: u8, path: &str, link: &str, mode: u32, content: &[u8]) -> Tarball {
        self.with(flag, path, link, mode, content, |_| {})
    }

    /// An entry whose header is changed before its checksum is set.
    pub(crate) fn with(
        mut self,
        flag: u8,
        path: &str,
        link: &str,
        mode: u32,
        content: &[u8],
        change: impl FnOnce(&mut tar::Header),
    ) -> Tarball {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[156] = flag;
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1_700_000_000);
        header.set_uid(0);
        header.set_gid(0);
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.padded(content)
    }

    /// pax records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Tarball {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length += 1;
            }
            body.extend_from_slice(format!("{length} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.entry(b'x', "PaxHeaders/x", "", 0o644, &body)
    }

    /// Bytes as they are, filled up to a block.
    pub(crate) fn padded(mut self, bytes: &[u8]) -> Tarball {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// Without the blocks that end an archive.
    pub(crate) fn cut(self) -> Vec<u8> {
        self.0
    }
}
