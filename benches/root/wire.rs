//! `cargo bench --bench wire` in the root.

mod hand_over;

fn main() -> std::process::ExitCode {
    hand_over::to("tower-backoff-wire", "wire")
}
