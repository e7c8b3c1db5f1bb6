//! `HOME`, from the container's `/etc/passwd` when the configuration sets none.

use std::ffi::CString;
use std::io::Read;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

/// No sane passwd file is larger; the image is not to make us read for ever.
const MAX_PASSWD: u64 = 1 << 20;

/// `HOME=<dir>` for `uid`; `/` for one that the file does not name, as runc and crun have it.
pub(crate) fn variable(uid: u32) -> CString {
    let home = passwd()
        .and_then(|passwd| directory(&passwd, uid).map(<[u8]>::to_vec))
        .unwrap_or_else(|| b"/".to_vec());
    let mut variable = b"HOME=".to_vec();
    variable.extend(home);
    CString::new(variable).unwrap_or_else(|_| c"HOME=/".to_owned())
}

/// The container's `/etc/passwd`, if it is a regular file: whatever the image has put in its
/// place is neither waited for (a FIFO) nor followed out through procfs.
fn passwd() -> Option<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let file = openat2(nix::fcntl::AT_FDCWD, c"/etc/passwd", how).ok()?;
    let stat = fstat(&file).ok()?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return None;
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0).min(MAX_PASSWD);
    let mut text = Vec::with_capacity(size as usize);
    std::fs::File::from(file).take(size).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Field 6 of the first line whose field 3 is `uid`.
fn directory(passwd: &[u8], uid: u32) -> Option<&[u8]> {
    let uid = uid.to_string();
    passwd
        .split(|byte| *byte == b'\n')
        .find_map(|line| {
            let mut fields = line.split(|byte| *byte == b':');
            (fields.nth(2) == Some(uid.as_bytes())).then(|| fields.nth(2)).flatten()
        })
        .filter(|home| !home.is_empty())
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn passwd_lines() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n\n# comment\nbroken:x:7\nempty:x:8:8:::\nann:x:1000:1000::/home/ann:/bin/sh\nbis:x:1000:1:::";
        for (uid, home) in [(0, Some("/root")), (1000, Some("/home/ann")), (7, None), (8, None), (9, None)] {
            assert_eq!(directory(passwd, uid), home.map(str::as_bytes), "uid {uid}");
        }
        assert_eq!(directory(b"", 0), None);
    }
}
