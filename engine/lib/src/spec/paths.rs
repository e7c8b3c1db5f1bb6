//! Paths of procfs and sysfs that the container must not see, or not write.

use crate::container::options::Options;

/// podman's defaults.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];
const READONLY: [&str; 6] =
    ["/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Masked and read-only paths: the defaults without what `unmask` names, then what `mask` names.
pub(super) fn lists(options: &Options) -> (Vec<String>, Vec<String>) {
    let unmask = &options.security.unmask;
    let keep = |path: &&str| !options.privileged && !unmask.iter().any(|pattern| unmasks(pattern, path));
    let owned = |list: &[&str]| list.iter().copied().filter(keep).map(str::to_owned).collect::<Vec<_>>();

    let mut masked = owned(&MASKED);
    for path in &options.security.mask {
        if !masked.contains(path) {
            masked.push(path.clone());
        }
    }
    (masked, owned(&READONLY))
}

/// Whether `pattern` (`ALL`, a path, or a path with shell wildcards, which do not cross `/`) names `path`.
fn unmasks(pattern: &str, path: &str) -> bool {
    pattern.eq_ignore_ascii_case("all") || glob(pattern.as_bytes(), path.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=end).any(|skip| glob(rest, &text[skip..]))
        }
        ([b'?', rest @ ..], [byte, text @ ..]) => *byte != b'/' && glob(rest, text),
        ([wanted, rest @ ..], [byte, text @ ..]) => wanted == byte && glob(rest, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_and_unmask() {
        // mask, unmask, privileged, counts of masked and read-only paths
        let cases: &[(&[&str], &[&str], bool, usize, usize)] = &[
            (&[], &[], false, 12, 6),
            (&["/foo", "/proc/keys"], &[], false, 13, 6),
            (&[], &["/proc/kcore"], false, 11, 6),
            (&[], &["/proc/sys"], false, 12, 5),
            (&[], &["/proc/*"], false, 3, 0),
            (&[], &["/sys/*"], false, 11, 6),
            (&[], &["ALL"], false, 0, 0),
            (&["/foo"], &["all"], false, 1, 0),
            (&["/foo"], &[], true, 1, 0),
        ];
        for (mask, unmask, privileged, masked, readonly) in cases {
            let owned = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
            let mut options = Options { privileged: *privileged, ..Options::default() };
            options.security.mask = owned(mask);
            options.security.unmask = owned(unmask);
            let lists = lists(&options);
            assert_eq!((lists.0.len(), lists.1.len()), (*masked, *readonly), "{mask:?} {unmask:?}");
        }
    }
}
