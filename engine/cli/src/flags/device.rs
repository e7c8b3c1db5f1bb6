//! `--device HOST[:CONTAINER][:ACCESS]`.

use anyhow::{bail, ensure};
use ketch_engine::container::options::Device;

pub(super) fn parse(text: &str) -> anyhow::Result<Device> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, access) = match parts[..] {
        [source] => (source, source, "rwm"),
        // Two parts are a path inside or an access; what starts with a slash is a path.
        [source, destination] if destination.starts_with('/') => (source, destination, "rwm"),
        [source, access] => (source, source, access),
        [source, destination, access] => (source, destination, access),
        _ => bail!("invalid device {text:?}: HOST[:CONTAINER][:rwm] is expected"),
    };
    let known = access.bytes().all(|byte| matches!(byte, b'r' | b'w' | b'm'));
    ensure!(known && !access.is_empty(), "invalid device mode {access:?} in device {text:?}");
    ensure!(
        source.starts_with('/') && destination.starts_with('/'),
        "invalid device {text:?}: paths must be absolute"
    );
    Ok(Device { source: source.into(), destination: destination.into(), access: access.to_owned() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn devices() {
        let cases: &[(&str, Option<(&str, &str, &str)>)] = &[
            ("/dev/fuse", Some(("/dev/fuse", "/dev/fuse", "rwm"))),
            ("/dev/fuse:/dev/x", Some(("/dev/fuse", "/dev/x", "rwm"))),
            ("/dev/fuse:r", Some(("/dev/fuse", "/dev/fuse", "r"))),
            ("/dev/fuse:/dev/x:rw", Some(("/dev/fuse", "/dev/x", "rw"))),
            ("/dev/fuse:bogus", None),
            ("/dev/fuse:/dev/x:", None),
            ("/dev/fuse:", None),
            ("a/b:c:rw:x", None),
            ("fuse", None),
        ];
        for (text, expected) in cases {
            let got = super::parse(text).ok();
            let got = got
                .as_ref()
                .map(|d| (d.source.to_str().unwrap(), d.destination.to_str().unwrap(), &*d.access));
            assert_eq!(got, *expected, "{text}");
        }
    }
}
