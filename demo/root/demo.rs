//! Makes `cargo run --example demo` work in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-demo")
}
