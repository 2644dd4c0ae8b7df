//! Phrases in the body of a refusal.

use std::borrow::Cow;
use std::time::Duration;

use super::super::statuses::assert_lasts;
use crate::policy::Provider;

impl Provider {
    /// Makes any refusal final whose body contains this phrase. It replaces the phrases that were there.
    ///
    /// The phrase is ASCII; letter case does not matter.
    #[must_use]
    pub fn final_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.body_rules.final_phrases = vec![phrase.into()];
        self
    }

    /// Adds a phrase to [`final_when_body_contains`](Self::final_when_body_contains).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_when_body_contains("no credits");
    /// assert_ne!(acme.clone().add_final_when_body_contains("banned"), acme);
    /// ```
    #[must_use]
    pub fn add_final_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.body_rules.final_phrases.push(phrase.into());
        self
    }

    /// Takes back what was said with [`final_when_body_contains`](Self::final_when_body_contains).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").final_when_body_contains("no credits").without_final_when_body_contains();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_final_when_body_contains(mut self) -> Self {
        self.body_rules.final_phrases.clear();
        self
    }

    /// Treats any status as a refusal by a limit if the body contains this phrase.
    ///
    /// It replaces the phrases that were there, also those of
    /// [`throttled_for_when_body_contains`](Self::throttled_for_when_body_contains).
    #[must_use]
    pub fn throttled_when_body_contains(mut self, phrase: impl Into<Cow<'static, str>>) -> Self {
        self.body_rules.throttled_phrases = vec![(phrase.into(), None)];
        self
    }

    /// Adds a phrase to [`throttled_when_body_contains`](Self::throttled_when_body_contains).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").throttled_when_body_contains("slow down");
    /// assert_ne!(acme.clone().add_throttled_when_body_contains("too fast"), acme);
    /// ```
    #[must_use]
    pub fn add_throttled_when_body_contains(
        mut self,
        phrase: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.body_rules
            .throttled_phrases
            .push((phrase.into(), None));
        self
    }

    /// Treats any status as a refusal for this long if the body contains this phrase.
    ///
    /// A wait that the response names counts for more. It replaces the phrases that were there, also those of
    /// [`throttled_when_body_contains`](Self::throttled_when_body_contains).
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    #[track_caller]
    pub fn throttled_for_when_body_contains(
        self,
        phrase: impl Into<Cow<'static, str>>,
        lasting: Duration,
    ) -> Self {
        self.without_throttled_when_body_contains()
            .add_throttled_for_when_body_contains(phrase, lasting)
    }

    /// Adds a phrase to [`throttled_for_when_body_contains`](Self::throttled_for_when_body_contains).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::Provider;
    ///
    /// let acme = Provider::new("acme")
    ///     .throttled_when_body_contains("slow down")
    ///     .add_throttled_for_when_body_contains("blocked", Duration::from_secs(300));
    /// # let _ = acme;
    /// ```
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    #[track_caller]
    pub fn add_throttled_for_when_body_contains(
        mut self,
        phrase: impl Into<Cow<'static, str>>,
        lasting: Duration,
    ) -> Self {
        assert_lasts(lasting);
        let added = (phrase.into(), Some(lasting));
        self.body_rules.throttled_phrases.push(added);
        self
    }

    /// Takes back all phrases of [`throttled_when_body_contains`](Self::throttled_when_body_contains).
    ///
    /// Those of [`throttled_for_when_body_contains`](Self::throttled_for_when_body_contains) are among them.
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").throttled_when_body_contains("slow down").without_throttled_when_body_contains();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_throttled_when_body_contains(mut self) -> Self {
        self.body_rules.throttled_phrases.clear();
        self
    }
}
