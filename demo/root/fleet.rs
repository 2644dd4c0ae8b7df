//! Makes `cargo run --example fleet` work in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-fleet-demo")
}
