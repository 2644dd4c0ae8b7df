//! Tells the log and the observer that little is left of a quota.

use http_body::Body;

use super::RetryState;
use crate::config::Settings;
use crate::gate::{Gate, Permit};
use crate::hint::Remaining;
use crate::telemetry::{LowQuota, trace};
use crate::time::Moment;

/// Tells if little is left of a published quota, once until there is more again.
pub(super) fn tell_published(counter: Remaining, gate: &Gate, settings: &Settings) {
    if !gate.note_low(counter.is_low(settings.low_quota)) {
        return;
    }
    let low = LowQuota {
        scope: gate.scope(),
        remaining: counter.remaining,
        limit: counter.limit.unwrap_or_default(),
        resets_in: counter.resets_in,
        window: None,
    };
    tell(&low, settings);
}

/// Tells if little is left of the declared quotas of a call that has ended, once until there is more again.
pub(super) fn tell_declared<R: Body>(
    own: &Permit,
    retry_state: &Option<Box<RetryState<R>>>,
    settings: &Settings,
    now: Moment,
) {
    tell_declared_at(own.gate(), settings, now);
    if let Some(retry_state) = retry_state {
        let bucket = retry_state.bucket.iter().map(|permit| &**permit.gate());
        let others = bucket.chain(retry_state.partial.gates());
        others.for_each(|gate| tell_declared_at(gate, settings, now));
    }
}

fn tell_declared_at(gate: &Gate, settings: &Settings, now: Moment) {
    while let Some(window) = gate.take_low_news(now) {
        let low = LowQuota {
            scope: gate.scope(),
            remaining: window.remaining,
            limit: window.limit,
            resets_in: window.frees_in,
            window: Some(window.length),
        };
        tell(&low, settings);
    }
}

fn tell(low: &LowQuota<'_>, settings: &Settings) {
    trace::on_low_quota(low);
    if let Some(observer) = &settings.observer {
        observer.on_low_quota(low);
    }
}
