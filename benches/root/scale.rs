//! Makes `cargo bench --bench scale` work in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-scale", "scale")
}
