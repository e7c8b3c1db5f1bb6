//! Waiting for what gives no notice.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Generous: a test must hold on a machine that others keep busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until it finds what it looks for. What is there instead fails the test in the end.
#[track_caller]
pub fn wait_for<T, E: Debug>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < deadline, "no {what}: {instead:#?}"),
        }
        sleep(PAUSE);
    }
}

/// What `look` still finds when it has had time to go away: the kernel takes down what is dead a moment later.
pub fn what_stays<T>(mut look: impl FnMut() -> Vec<T>) -> Vec<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = look();
        if found.is_empty() || Instant::now() > deadline {
            return found;
        }
        sleep(PAUSE);
    }
}
