//! Presets: what the pages of known providers say, as values.
//!
//! Each is a function that returns a [`Provider`]: a fact file, one per provider, with its page
//! cited. Change what is different for you:
//!
//! ```
//! use tower_backoff::{Quota, providers};
//!
//! let ours = providers::wolfeo().quota(Quota::per_minute(1_200)); // a bigger plan
//! # let _ = ours;
//! ```
//!
//! [`by_name`] finds one by its name, for tools and configuration.

pub mod daily_event_insurance;
mod enrich_engine;
mod lemlist;
mod snippets_ai;
mod wolfeo;

pub use daily_event_insurance::daily_event_insurance;
pub use enrich_engine::enrich_engine;
pub use lemlist::lemlist;
pub use snippets_ai::snippets_ai;
pub use wolfeo::wolfeo;

use crate::policy::{Policy, Provider};

/// All presets.
pub fn all() -> Vec<Provider> {
    vec![
        lemlist(),
        wolfeo(),
        daily_event_insurance(),
        snippets_ai(),
        enrich_engine(),
    ]
}

/// The preset with this name. Letter case, blanks, hyphens and underscores do not matter.
///
/// ```
/// use tower_backoff::providers;
///
/// assert!(providers::by_name("Daily Event Insurance").is_some());
/// assert!(providers::by_name("EnrichEngine").is_some());
/// assert!(providers::by_name("nobody").is_none());
/// ```
pub fn by_name(name: &str) -> Option<Provider> {
    all()
        .into_iter()
        .find(|preset| letters(preset.name()).eq(letters(name)))
}

fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| c.to_ascii_lowercase())
}
