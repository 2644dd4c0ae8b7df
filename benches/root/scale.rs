//! `cargo bench --bench scale` in the root.

mod hand_over;

fn main() -> std::process::ExitCode {
    hand_over::to("tower-backoff-scale", "scale")
}
