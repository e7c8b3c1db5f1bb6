//! One process as /proc shows it to the host.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

/// What the columns are made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub pid: i32,
    pub name: String,
    pub state: char,
    pub ppid: i32,
    pub pgid: i32,
    pub sid: i32,
    /// Device number of the controlling terminal, 0 for none.
    pub tty: u32,
    /// The terminal's foreground process group, -1 for none.
    pub foreground: i32,
    /// User and system time, in clock ticks, as all times here.
    pub cpu: u64,
    pub nice: i32,
    pub threads: u32,
    /// After boot.
    pub started: u64,
    /// Bytes.
    pub virtual_size: u64,
    /// Pages.
    pub resident: u64,
    /// Effective, in the host's numbers.
    pub uid: u32,
    pub gid: u32,
    /// The command line; the name in brackets where there is none.
    pub command: String,
}

impl Process {
    /// Reads it. `None`: it has ended, or did so while it was read.
    pub(crate) fn read(pid: i32) -> Option<Process> {
        let file = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).ok();
        let text = |name: &str| Some(String::from_utf8_lossy(&file(name)?).into_owned());
        parse(pid, &text("stat")?, &text("status")?, &file("cmdline")?)
    }
}

/// stat and status are described in proc_pid_stat(5) and proc_pid_status(5).
fn parse(pid: i32, stat: &str, status: &str, cmdline: &[u8]) -> Option<Process> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat[open + 1..close].to_owned();
    // The first of these is the manual's field 3.
    let fields: Vec<&str> = stat[close + 1..].split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|word| word.parse::<i64>().ok());
    let effective = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().nth(1)?.parse::<u32>().ok()
    };
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        ppid: field(4)?.try_into().ok()?,
        pgid: field(5)?.try_into().ok()?,
        sid: field(6)?.try_into().ok()?,
        tty: u32::try_from(field(7)? & 0xffff_ffff).ok()?,
        foreground: field(8)?.try_into().ok()?,
        cpu: (field(14)? + field(15)?).unsigned_abs(),
        nice: field(19)?.try_into().ok()?,
        threads: field(20)?.try_into().ok()?,
        started: field(22)?.unsigned_abs(),
        virtual_size: field(23)?.unsigned_abs(),
        resident: field(24)?.unsigned_abs(),
        uid: effective("Uid:")?,
        gid: effective("Gid:")?,
        command: command(&name, cmdline),
        name,
    })
}

/// Arguments end with a NUL. A control character must not reach the caller's terminal.
fn command(name: &str, cmdline: &[u8]) -> String {
    let words = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    if words.is_empty() {
        return format!("[{name}]");
    }
    let words: Vec<u8> = words.iter().map(|&byte| if byte == 0 { b' ' } else { byte }).collect();
    String::from_utf8_lossy(&words).replace(|c: char| c.is_control(), "?")
}

/// The moment of looking, which ages and start times are reckoned from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Seconds since the epoch.
    pub epoch: u64,
    /// Seconds since boot.
    pub uptime: u64,
    pub ticks_per_second: u64,
    pub page_size: u64,
    /// All of the machine's, in bytes.
    pub memory: u64,
}

impl Now {
    pub(crate) fn read() -> io::Result<Now> {
        let number =
            |name: SysconfVar, usual: u64| sysconf(name).ok().flatten().map_or(usual, i64::unsigned_abs);
        let page_size = number(SysconfVar::PAGE_SIZE, 4096);
        Ok(Now {
            epoch: SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs(),
            uptime: clock_gettime(ClockId::CLOCK_BOOTTIME)?.tv_sec().unsigned_abs(),
            ticks_per_second: number(SysconfVar::CLK_TCK, 100),
            page_size,
            memory: number(SysconfVar::_PHYS_PAGES, 0) * page_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_a_process() {
        let stat = "42 (a) b) S 1 42 41 34816 42 4194560 99 0 0 0 150 50 0 0 20 0 3 0 7000 4096000 120 0 0\n";
        let status = "Name:\ta) b\nUid:\t1\t1000\t1\t1\nGid:\t1\t100\t1\t1\n";
        let process = parse(42, stat, status, b"sleep\x0010\x1b[m\0").expect("a process");
        assert_eq!(
            process,
            Process {
                pid: 42,
                name: "a) b".to_owned(),
                state: 'S',
                ppid: 1,
                pgid: 42,
                sid: 41,
                tty: 34816,
                foreground: 42,
                cpu: 200,
                nice: 0,
                threads: 3,
                started: 7000,
                virtual_size: 4_096_000,
                resident: 120,
                uid: 1000,
                gid: 100,
                command: "sleep 10?[m".to_owned(),
            }
        );
        assert_eq!(command("kworker", b""), "[kworker]");
        assert_eq!(parse(42, "42 (a", status, b""), None);
    }
}
