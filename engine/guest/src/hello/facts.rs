//! What /proc tells of the sandbox. Everything degrades to "unknown".

use std::fs::read_to_string;

const UNKNOWN: &str = "unknown";

/// By the kernel's number (linux/capability.h).
const CAPABILITIES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The whole of /proc/self/status; empty when there is no /proc.
pub(crate) fn status() -> String {
    read_to_string("/proc/self/status").unwrap_or_default()
}

/// One field of `status`, e.g. `CapEff`.
pub(crate) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The first line of a small file.
pub(crate) fn line(path: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    text.lines().next().filter(|line| !line.is_empty()).unwrap_or(UNKNOWN).to_owned()
}

pub(crate) fn pid() -> String {
    let processes = std::fs::read_dir("/proc").map(|entries| {
        entries
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
            .count()
    });
    match processes {
        Ok(1) => format!("{}, and no other process", std::process::id()),
        Ok(count) => format!("{}, of {count} processes", std::process::id()),
        Err(_) => std::process::id().to_string(),
    }
}

pub(crate) fn user(status: &str) -> String {
    let first = |name| field(status, name).and_then(|ids| ids.split_whitespace().next()).unwrap_or(UNKNOWN);
    let (uid, gid) = (first("Uid"), first("Gid"));
    let groups = field(status, "Groups").filter(|groups| !groups.is_empty());
    let groups = groups.map(|groups| format!(", groups {groups}")).unwrap_or_default();
    let passwd = read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some(name)
    });
    let name = name.map(|name| format!("{name}, ")).unwrap_or_default();
    format!("{name}uid {uid}, gid {gid}{groups}")
}

/// `pid:4026532198`, with the host's own marked, as far as the kernel gives those a fixed number (proc_ns.h; that of
/// mnt and net only from Linux 6.18 on).
pub(crate) fn namespaces() -> Vec<String> {
    const NAMES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let inode = |name: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{name}")).ok()?;
        link.to_str()?.split(['[', ']']).nth(1)?.parse::<u64>().ok()
    };
    let describe = |name: &str| match inode(name) {
        Some(0xEFFF_FFF8..=0xEFFF_FFFF) => format!("{name}=host"),
        Some(number) => format!("{name}={number}"),
        None => format!("{name}={UNKNOWN}"),
    };
    NAMES.into_iter().map(describe).collect()
}

/// Names of a set of `status`.
pub(crate) fn capabilities(status: &str, set: &str) -> Vec<String> {
    let Some(mask) = field(status, set).and_then(|hex| u64::from_str_radix(hex, 16).ok()) else {
        return vec![UNKNOWN.to_owned()];
    };
    let name = |bit: usize| match CAPABILITIES.get(bit) {
        Some(name) => format!("cap_{name}"),
        None => format!("cap_{bit}"),
    };
    (0..64).filter(|bit| mask & (1 << bit) != 0).map(name).collect()
}

pub(crate) fn no_new_privileges(status: &str) -> String {
    match field(status, "NoNewPrivs") {
        Some("0") => "can be gained by execve (no_new_privs is off)",
        Some("1") => "cannot be gained (no_new_privs is on)",
        _ => UNKNOWN,
    }
    .to_owned()
}

pub(crate) fn seccomp(status: &str) -> String {
    let filters = field(status, "Seccomp_filters").unwrap_or("?");
    match field(status, "Seccomp") {
        Some("0") => "off: every system call may be made".to_owned(),
        Some("1") => "strict".to_owned(),
        Some("2") => format!("filtered ({filters} in force)"),
        _ => UNKNOWN.to_owned(),
    }
}

/// Each path, and below it the hierarchies that have the process there.
pub(crate) fn cgroups() -> Vec<String> {
    group_by_path(&read_to_string("/proc/self/cgroup").unwrap_or_default())
}

fn group_by_path(text: &str) -> Vec<String> {
    let mut paths: Vec<(String, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let controllers = if controllers.is_empty() { "v2" } else { controllers };
        match paths.iter_mut().find(|(have, _)| have == path) {
            Some((_, list)) => list.push(controllers),
            None => paths.push((path.to_owned(), vec![controllers])),
        }
    }
    paths.into_iter().flat_map(|(path, list)| [path, format!("  {}", list.join(" "))]).collect()
}

/// Destination, type and flags of each mount.
pub(crate) fn mounts() -> Vec<String> {
    columns(&read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

/// proc_pid_mountinfo(5): the destination is field 5, the options field 6, the type the first behind ` - `.
fn columns(text: &str) -> Vec<String> {
    let rows: Vec<[String; 3]> = text
        .lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ').skip(4);
            let (destination, options) = (unescape(left.next()?), left.next()?);
            Some([destination, right.split(' ').next()?.to_owned(), options.replace(',', " ")])
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let (first, second) = (width(0).min(34), width(1));
    rows.iter()
        .map(|[destination, kind, options]| format!("{destination:<first$}  {kind:<second$}  {options}"))
        .collect()
}

/// The kernel writes blanks, line ends and backslashes as `\ooo`.
fn unescape(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(text.to_owned(), |text, (code, character)| text.replace(code, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\thello\nUid:\t99\t99\t99\t99\nGid:\t5\t5\t5\t5\nGroups:\t5 6 \nCapEff:\t0000020000000401\n\
        CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";

    #[test]
    fn fields_of_status() {
        assert_eq!(field(STATUS, "Seccomp"), Some("2"));
        assert_eq!(field(STATUS, "Sec"), None);
        assert!(user(STATUS).ends_with("uid 99, gid 5, groups 5 6"));
        assert_eq!(capabilities(STATUS, "CapEff"), ["cap_chown", "cap_net_bind_service", "cap_41"]);
        assert!(capabilities(STATUS, "CapBnd").is_empty());
        assert_eq!(capabilities("", "CapEff"), [UNKNOWN]);
        assert_eq!(seccomp(STATUS), "filtered (1 in force)");
        assert_eq!(seccomp(""), UNKNOWN);
    }

    #[test]
    fn cgroup_paths() {
        assert_eq!(group_by_path("0::/\n"), ["/", "  v2"]);
        assert_eq!(
            group_by_path("3:cpu,cpuacct:/a\n2:pids:/a\n1:name=systemd:/\n"),
            ["/a", "  cpu,cpuacct pids", "/", "  name=systemd"]
        );
        assert!(group_by_path("").is_empty());
    }

    #[test]
    fn mount_columns() {
        let text = "22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw\n\
            23 22 0:22 / /a\\040b ro,nosuid - tmpfs tmpfs rw\n";
        assert_eq!(columns(text), ["/     overlay  rw relatime", "/a b  tmpfs    ro nosuid"]);
    }
}
