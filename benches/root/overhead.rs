//! Makes `cargo bench --bench overhead` work in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-overhead", "overhead")
}
