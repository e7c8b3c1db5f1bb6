//! A global allocator for a program that lives for milliseconds.
//!
//! musl's malloc maps and unmaps pages for every size class that it comes to use, dozens of system calls and page faults
//! before the first container exists. This one hands out a fixed arena from its start, takes back only what was
//! handed out last, and sends everything that does not fit to musl's: a long-lived process is no worse off.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

const SIZE: usize = 256 * 1024;

/// Page-aligned, zero until touched: an untouched page costs nothing.
#[repr(align(4096))]
#[derive(Debug)]
pub struct Arena {
    memory: UnsafeCell<[u8; SIZE]>,
    /// Offset of the first byte that is free.
    next: AtomicUsize,
}

// SAFETY: `memory` is only reached through pointers that `alloc` hands out, and the compare-and-exchange on `next` gives
// no byte to two callers.
unsafe impl Sync for Arena {}

impl Arena {
    #[allow(clippy::new_without_default, reason = "made once, for a static")]
    pub const fn new() -> Arena {
        Arena { memory: UnsafeCell::new([0; SIZE]), next: AtomicUsize::new(0) }
    }

    /// Hands out nothing from now on: for a process that turns out to be one that lives long.
    pub fn retire(&self) {
        self.next.store(SIZE, Ordering::Relaxed);
    }

    fn start(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    /// Where in the arena `pointer` is, if it is there.
    fn offset(&self, pointer: *mut u8) -> Option<usize> {
        (pointer as usize).checked_sub(self.start() as usize).filter(|offset| *offset < SIZE)
    }
}

// SAFETY: a block is either System's own, and goes back to it with the same layout, or a part of the arena that is
// aligned, within bounds and nobody else's: `next` only moves back over a block when that very block is freed or shrunk
// and nothing was handed out behind it. A block of the arena is told from System's by its address.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            // The arena is aligned to a page, so an aligned offset is an aligned address. Never less than malloc's
            // 16: nix takes a vector of bytes for a cmsghdr.
            let start = next.next_multiple_of(layout.align().max(16));
            let end = start.saturating_add(layout.size());
            if end > SIZE || layout.align() > 4096 {
                // SAFETY: the caller's promise on `layout` is the one that System asks for.
                return unsafe { System.alloc(layout) };
            }
            match self.next.compare_exchange_weak(next, end, Ordering::Relaxed, Ordering::Relaxed) {
                // SAFETY: `start` is within the arena.
                Ok(_) => return unsafe { self.start().add(start) },
                Err(now) => next = now,
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match self.offset(pointer) {
            Some(start) => {
                let end = start + layout.size();
                // Fails when it is not the last block; then its bytes stay unused.
                let _ = self.next.compare_exchange(end, start, Ordering::Relaxed, Ordering::Relaxed);
            }
            // SAFETY: not the arena's, so it came from System, with this layout.
            None => unsafe { System.dealloc(pointer, layout) },
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.offset(pointer) else {
            // SAFETY: not the arena's, so it came from System, with this layout.
            return unsafe { System.realloc(pointer, layout, size) };
        };
        let (end, new_end) = (start + layout.size(), start.saturating_add(size));
        if new_end <= SIZE
            && self.next.compare_exchange(end, new_end, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            return pointer;
        }
        if size <= layout.size() {
            return pointer;
        }
        // SAFETY: `size` is not zero and fits, which the caller promised; both blocks hold the bytes copied and do not
        // overlap, as the old one is still handed out.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                std::ptr::copy_nonoverlapping(pointer, new, layout.size());
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        static ARENA: Arena = Arena::new();
        let layout = |size, align| Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: every block is used within its layout, and freed with it.
        unsafe {
            let a = ARENA.alloc(layout(3, 1));
            let b = ARENA.alloc(layout(16, 16));
            assert!(b.addr().is_multiple_of(16) && b.addr() >= a.addr() + 3);

            // The last block grows where it is, another one moves with its bytes.
            a.write_bytes(7, 3);
            assert_eq!(ARENA.realloc(b, layout(16, 16), 64), b);
            let moved = ARENA.realloc(a, layout(3, 1), 10);
            assert_ne!(moved, a);
            assert_eq!(std::slice::from_raw_parts(moved, 3), [7, 7, 7]);

            // What was freed last is handed out again.
            ARENA.dealloc(moved, layout(10, 1));
            assert_eq!(ARENA.alloc(layout(10, 1)), moved);

            // What does not fit is System's, and in the end all is.
            let big = ARENA.alloc(layout(SIZE, 1));
            assert!(!big.is_null() && ARENA.offset(big).is_none());
            ARENA.dealloc(big, layout(SIZE, 1));
            ARENA.retire();
            let late = ARENA.alloc(layout(1, 1));
            assert!(!late.is_null() && ARENA.offset(late).is_none());
            ARENA.dealloc(late, layout(1, 1));
            ARENA.dealloc(moved, layout(10, 1));
        }
    }
}
