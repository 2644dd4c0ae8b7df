//! Makes `cargo bench --bench quota` work in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-benches", "quota")
}
