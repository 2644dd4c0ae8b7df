//! `cargo bench --bench overhead` in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-overhead", "overhead")
}
