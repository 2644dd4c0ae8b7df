//! The generic reader and what one provider adds to it.

use super::budget::{self, Remaining};
use super::field::Field;
use super::generic::{self, StatusClass};
use super::scan::HeaderScan;
use super::value::{ReferenceTime, Unit};
use super::{Hint, Reading};
use http::header::DATE;
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::SystemTime;

/// The head of a response, and when it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) received: SystemTime,
    /// Whether this is a refusal, if the provider knows better than the status.
    pub(crate) refused: Option<bool>,
}

/// How one provider names its waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    /// What the bare numbers of these headers count.
    pub(crate) units: Vec<(HeaderName, Unit)>,
    /// Places of its own.
    pub(crate) fields: Vec<Field>,
    /// Counters of what was used.
    pub(crate) usages: Vec<Field>,
    /// It cuts whole seconds off instead of rounding up, so that obeying to the letter comes too early.
    pub(crate) truncates_seconds: bool,
}

impl Rules {
    /// The generic reader.
    pub(crate) const fn none() -> Rules {
        Rules {
            units: Vec::new(),
            fields: Vec::new(),
            usages: Vec::new(),
            truncates_seconds: false,
        }
    }

    /// Reads a response; `body` is what has been seen of it, if anybody looked.
    ///
    /// The order is: the provider's headers, all other headers, the provider's places in the body, and what its
    /// page says when it is silent. Places of its own are asked only about refusals.
    pub(crate) fn read(&self, head: Head<'_>, body: Option<&[u8]>) -> Reading {
        let class = StatusClass::of(&head);
        if class == StatusClass::Served && !HeaderScan::at(head.headers, false).may_be_exhausted() {
            return Reading::Nothing;
        }
        let reference = self.reference(&head);
        if class != StatusClass::Refused {
            return generic::read(&head, class, reference, &self.units);
        }
        if let Some(hint) = self.in_headers(head.headers, reference) {
            return Reading::Wait(hint);
        }
        match generic::read(&head, class, reference, &self.units) {
            Reading::Nothing => self
                .beyond(head.headers, body, reference)
                .map_or(Reading::Nothing, Reading::Wait),
            said => said,
        }
    }

    /// What is left of a published quota.
    pub(crate) fn counter(
        &self,
        headers: &HeaderMap,
        scan: &HeaderScan<'_>,
        received: impl FnOnce() -> SystemTime,
    ) -> Option<Remaining> {
        if !self.usages.is_empty() && scan.is_counting() {
            let received = received();
            let plain = self.plain_counter(headers, scan, || received);
            let used = self.used(headers, self.reference_at(headers, received));
            return plain
                .into_iter()
                .chain(used)
                .min_by_key(Remaining::tightness);
        }
        self.plain_counter(headers, scan, received)
    }

    fn plain_counter(
        &self,
        headers: &HeaderMap,
        scan: &HeaderScan<'_>,
        received: impl FnOnce() -> SystemTime,
    ) -> Option<Remaining> {
        if !scan.counts() {
            return None;
        }
        budget::read(headers, scan, received, |name| {
            let stated = self.units.iter().find(|(stated, _)| stated == name);
            stated.map(|(_, unit)| *unit)
        })
    }

    /// What was not used, of the counter with the least left.
    fn used(&self, headers: &HeaderMap, reference: ReferenceTime) -> Option<Remaining> {
        if budget::is_stale(headers) {
            return None;
        }
        let counters = self.usages.iter();
        counters
            .filter_map(|usage| usage.counter(headers, reference))
            .min_by_key(Remaining::tightness)
    }

    /// The pause that a served answer asks for in one of these places.
    pub(crate) fn pause(
        &self,
        places: &[Field],
        head: Head<'_>,
        body: Option<&[u8]>,
    ) -> Option<Hint> {
        let reference = self.reference(&head);
        let body = body.unwrap_or_default();
        longest(
            places
                .iter()
                .chain(&self.usages)
                .filter_map(|place| place.read(head.headers, body, reference)),
        )
    }

    fn reference(&self, head: &Head<'_>) -> ReferenceTime {
        self.reference_at(head.headers, head.received)
    }

    fn reference_at(&self, headers: &HeaderMap, received: SystemTime) -> ReferenceTime {
        let date = headers.get(DATE).map(|date| date.as_bytes());
        ReferenceTime::of(received, date, self.truncates_seconds)
    }

    fn in_headers(&self, headers: &HeaderMap, reference: ReferenceTime) -> Option<Hint> {
        let fields = self.fields.iter().filter(|field| !field.is_in_body());
        let places = fields.chain(&self.usages);
        longest(places.filter_map(|field| field.read(headers, &[], reference)))
    }

    /// What the body says, or what the provider's page says about silence.
    fn beyond(
        &self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
        reference: ReferenceTime,
    ) -> Option<Hint> {
        let seen = || {
            self.fields
                .iter()
                .filter(|field| body.is_some() || !field.is_in_body())
        };
        let in_body = |field: &&Field| field.is_in_body();
        let said = seen()
            .filter(in_body)
            .filter_map(|field| field.read(headers, body?, reference));
        longest(said).or_else(|| seen().find_map(Field::fallback))
    }
}

/// Of several places of one provider the longest wait counts: it may have refused by several limits.
fn longest(hints: impl Iterator<Item = Hint>) -> Option<Hint> {
    hints.reduce(|longest, hint| {
        if hint.wait() > longest.wait() {
            hint
        } else {
            longest
        }
    })
}

#[cfg(test)]
mod tests;
