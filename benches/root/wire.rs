//! `cargo bench --bench wire` in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-wire", "wire")
}
