//! localtime_r(3): the host's wall clock, for tables that people read.

use crate::{Errno, Result};

/// A moment in the host's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i32,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 60: there are leap seconds.
    pub second: u32,
}

/// Seconds since the epoch in the time zone that TZ, or `/etc/localtime`, names.
pub fn local_time(seconds: i64) -> Result<LocalTime> {
    // SAFETY: `tm` is integers and a pointer that may be null; all-zero bytes are a value of it.
    let mut tm: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live here; localtime_r writes to the second and keeps neither.
    let result = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    if result.is_null() {
        return Err(Errno::last());
    }
    Ok(LocalTime {
        year: tm.tm_year + 1900,
        month: tm.tm_mon.unsigned_abs() + 1,
        day: tm.tm_mday.unsigned_abs(),
        hour: tm.tm_hour.unsigned_abs(),
        minute: tm.tm_min.unsigned_abs(),
        second: tm.tm_sec.unsigned_abs(),
    })
}
