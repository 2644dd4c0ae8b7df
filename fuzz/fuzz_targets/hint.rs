//! Any list of headers, read as any response: the first two bytes are the status, then come `name: value` lines.

#![no_main]

mod lines;

use libfuzzer_sys::fuzz_target;
use tower_backoff::hint::{self, Reading};

fuzz_target!(|data: &[u8]| {
    let Some((status, rest)) = data.split_first_chunk() else {
        return;
    };
    let headers = lines::headers(rest);
    let reading = hint::read(lines::status(*status), &headers, lines::received());
    if let Reading::Wait(hint) = reading {
        assert!(hint.wait() <= lines::YEAR, "{hint:?}");
    }
});
