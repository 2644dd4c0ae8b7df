//! How often a call goes again, for how long, and how it ends then.

use std::time::Duration;

use super::RetryLayer;
use crate::retry::{Backoff, Budget};

impl RetryLayer {
    /// Sets how often a call is retried after failures.
    ///
    /// Waits that the server named, and waiting at the gate, do not count.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        self.set(|settings| settings.max_retries = retries)
    }

    /// Sets how often a call waits for the end of a refusal; the next refusal ends it.
    ///
    /// Refusals are the responses whose wait the server or the gate decides: a 429, or a 503 with a `Retry-After`. The call
    /// ends with the response and a [`Report`](crate::Report) of
    /// [`RefusalsExhausted`](crate::StopReason::RefusalsExhausted) that says when to retry. Waiting at the gate, before the
    /// call is sent or because others were refused, does not count.
    ///
    /// # Default
    ///
    /// None: [`patience`](Self::patience) alone.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// // A provider that bans keys which are refused too often.
    /// let layer = RetryLayer::new(providers::wolfeo()).max_refusals(2);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn max_refusals(self, refusals: u32) -> Self {
        self.set(|settings| settings.max_refusals = Some(refusals))
    }

    /// Sets the exponential backoff for retries whose wait the server does not name.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.backoff = backoff)
    }

    /// Sets the total time limit of a call that is refused: no attempt starts later.
    ///
    /// A request can have its own, with a [`Patience`](crate::Patience) in its extensions.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// // In a web handler with a timeout of 30 s: answer the user instead of timing out.
    /// let layer = RetryLayer::new(providers::wolfeo()).patience(Duration::from_secs(20));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience.refusals = patience)
    }

    /// Sets the total time limit of a call that fails: a 5xx without a wait, a broken connection.
    #[must_use]
    pub fn failure_patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience.failures = patience)
    }

    /// Sets the retry budget: how much retries may add to the load of a scope.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.set(|settings| settings.budget = budget)
    }

    /// Ends every call past its patience with the error [`NotBefore`](crate::NotBefore).
    ///
    /// Without it a call that was sent ends with its last response, or the error of its last attempt. This is for clients
    /// above the layer that hide responses, such as those that turn a 429 into an error of their own without its headers:
    /// [`NotBefore::find`](crate::NotBefore::find) finds the error in theirs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let layer = RetryLayer::new(providers::github())
    ///     .patience(Duration::from_secs(20))
    ///     .end_with_not_before();
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn end_with_not_before(self) -> Self {
        self.set(|settings| settings.ends_with_not_before = true)
    }
}
