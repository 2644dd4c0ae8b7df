//! Makes `cargo bench --bench wire` work in the root.

mod delegate;

fn main() -> std::process::ExitCode {
    delegate::run("tower-backoff-wire", "wire")
}
