//! Counts the bytes that are on the heap: those that were asked for, whatever the allocator adds.
//!
//! Only while somebody [counts](allocated_by): a counter that two threads write is a line of memory that they
//! take from each other at each allocation, and then that is what the two of them measure.
#![allow(unsafe_code)] // There is no other way to be an allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

struct Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

impl Counting {
    fn count(bytes: isize) {
        if IS_COUNTING.load(Relaxed) {
            LIVE.fetch_add(bytes, Relaxed);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: hands everything on to the system's allocator, whose promises are the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as isize);
        // SAFETY: the caller keeps the promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as isize));
        // SAFETY: the caller keeps the promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// How many more there are after this than before.
pub fn allocated_by(make: impl FnOnce()) -> isize {
    let before = LIVE.load(Relaxed);
    IS_COUNTING.store(true, Relaxed);
    make();
    IS_COUNTING.store(false, Relaxed);
    LIVE.load(Relaxed) - before
}
