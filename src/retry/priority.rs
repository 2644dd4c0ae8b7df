//! Which of the waiting calls goes first.

/// The priority of a call in the queue of its gate, as a request extension.
///
/// While calls wait for a rate limit, urgent ones go first, then normal ones, then those in the background; within one
/// priority in order of arrival. A lower priority does not starve: of ten calls that are sent while it waits, it gets one.
/// [`Quota::reserved_for_urgent`](crate::Quota::reserved_for_urgent) keeps a part of a quota for urgent calls.
///
/// ```
/// use tower_backoff::Priority;
///
/// let request = http::Request::get("https://api.example.com/checkout")
///     .extension(Priority::Urgent)
///     .body(())?;
/// # drop(request);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Priority {
    /// Goes before all others: a person waits for it.
    Urgent,
    /// What a request without this extension has.
    #[default]
    Normal,
    /// Goes when no other call waits, and now and then otherwise: imports, backfills.
    Background,
}
