//! What can be known about a policy before there is a request.

/// Questions that a policy has no answer of its own to: nearly every call then goes without them.
#[derive(Clone, Copy, Debug, Default)]
#[expect(unnameable_types, reason = "nobody else is to take them")]
pub struct Shortcuts {
    /// An answer below 400 is accepted if the gate does not want its headers looked at.
    pub(crate) accepts_unseen: bool,
    /// Every request belongs to its origin, and to no bucket.
    pub(crate) goes_by_origin: bool,
}

impl Shortcuts {
    /// Those that two policies have in common.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            accepts_unseen: self.accepts_unseen && other.accepts_unseen,
            goes_by_origin: self.goes_by_origin && other.goes_by_origin,
        }
    }
}
