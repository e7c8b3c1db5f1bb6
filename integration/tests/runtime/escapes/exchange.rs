//! The other side of a race.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ketch_integration::Output;
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// How often each race is run at the least.
pub(super) const ATTEMPTS: usize = 1000;

/// Exchanges `one` and `other` again and again, by one system call, so that there always is one of them, while `round` makes
/// containers, until there were [`ATTEMPTS`]. A round whose container was made counts as `each`, one that failed as one.
pub(super) fn while_exchanging(
    one: &Path,
    other: &Path,
    each: usize,
    mut round: impl FnMut(usize) -> Output,
) {
    let (done, exchanges) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).expect("both are there");
                // Meets every moment of the other side's, and does not keep it from the directory.
                for _ in 0..exchanges.fetch_add(1, Ordering::Relaxed) * 37 % 1000 {
                    std::hint::spin_loop();
                }
            }
        });
        let (mut attempts, mut rounds) = (0, 0);
        while attempts < ATTEMPTS && !attacker.is_finished() {
            let out = round(rounds);
            rounds += 1;
            attempts += if out.code == 0 { each } else { 1 };
        }
        done.store(true, Ordering::Relaxed);
        attacker.join().expect("the thread ends");
    });
    assert!(exchanges.into_inner() >= ATTEMPTS, "nothing raced");
}
