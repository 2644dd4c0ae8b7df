//! The options of the command line.

const USAGE: &str = "usage: cargo run --example demo [-- [--real] [--quick]]

  --real   real time over loopback HTTP instead of virtual time: takes minutes
  --quick  fewer jobs, but still more than each provider allows at once";

/// The options of the demo.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Uses real time and HTTP, instead of virtual time and plain calls.
    pub real: bool,
    /// Runs fewer jobs.
    pub quick: bool,
}

impl Options {
    /// Parses the arguments; the error is the usage.
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        let mut options = Self::default();
        for arg in args {
            match arg.as_str() {
                "--real" => options.real = true,
                "--quick" => options.quick = true,
                _ => return Err(USAGE),
            }
        }
        Ok(options)
    }
}
