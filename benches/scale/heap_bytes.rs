//! Counts the bytes on the heap, without what the allocator adds.
//!
//! It counts only during [`allocated_by`]: two threads that write one counter at each allocation would
//! measure the contention for it.
#![allow(unsafe_code)] // The trait of allocators is unsafe.

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

// SAFETY: forwards every call to the system's allocator, whose contract is the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::count(-(layout.size() as isize));
        // SAFETY: the caller upholds the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(size as isize - layout.size() as isize);
        // SAFETY: the caller upholds the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The bytes that `make` adds to the heap.
pub fn allocated_by(make: impl FnOnce()) -> isize {
    let before = LIVE.load(Relaxed);
    IS_COUNTING.store(true, Relaxed);
    make();
    IS_COUNTING.store(false, Relaxed);
    LIVE.load(Relaxed) - before
}
