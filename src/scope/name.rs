//! The name of a scope among processes.

use std::fmt;

/// The name of a scope that all processes with the same secret share: 128 bits of a keyed hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(pub [u8; 16]);

impl ScopeName {
    /// Returns another name, the same for the same number; the name itself for zero.
    #[cfg_attr(all(target_family = "wasm", target_os = "unknown"), allow(dead_code))]
    pub(crate) fn mixed_with(self, number: u128) -> Self {
        Self((u128::from_le_bytes(self.0) ^ number).to_le_bytes())
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeName({self})")
    }
}

/// Writes 32 hexadecimal digits.
impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
