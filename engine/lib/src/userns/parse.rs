//! `uid_map` as the kernel shows it.

use ketch_runtime::plan::ids::Range;

/// The ranges of `/proc/PID/uid_map`: proc(5).
pub(super) fn map(text: &str) -> Vec<Range> {
    let range = |line: &str| {
        let numbers: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let [container, host, size] = numbers[..] else { return None };
        let number = |number: u64| u32::try_from(number).ok();
        Some(Range { container: number(container)?, host: number(host)?, size: number(size)? })
    };
    text.lines().filter_map(range).collect()
}
