//! The generic reader and what one provider adds to it.

use super::super::reading::{Head, Hint, Reading};
use super::super::remaining::{self, Remaining};
use super::super::scan::HeaderScan;
use super::super::value::{ReferenceTime, Unit};
use super::super::wait::{self, StatusClass};
use super::field::Field;
use http::header::{DATE, HeaderValue};
use http::{HeaderMap, HeaderName};
use std::time::SystemTime;

/// How one provider names its waits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    /// What the bare numbers of these headers count.
    pub(crate) units: Vec<(HeaderName, Unit)>,
    /// Places of its own.
    pub(crate) fields: Vec<Field>,
    /// Counters of what was used.
    pub(crate) usages: Vec<Field>,
    /// It cuts whole seconds off instead of rounding up, so that obeying to the letter comes too early.
    pub(crate) retry_after_rounded_down: bool,
}

impl Rules {
    /// The generic reader.
    pub(crate) const fn none() -> Rules {
        Rules {
            units: Vec::new(),
            fields: Vec::new(),
            usages: Vec::new(),
            retry_after_rounded_down: false,
        }
    }

    /// Whether counters are read as those of any provider.
    pub(crate) fn are_generic(&self) -> bool {
        self.units.is_empty() && self.usages.is_empty()
    }

    /// Reads a response; `body` is what has been seen of it, if anybody looked.
    ///
    /// The order is: the provider's headers, all other headers, the provider's places in the body, and what its
    /// page says when it is silent. Places of its own are asked only about refusals.
    pub(crate) fn read(&self, head: Head<'_>, body: Option<&[u8]>) -> Reading {
        let class = StatusClass::of(&head);
        let scan = HeaderScan::of(head.headers);
        if class == StatusClass::Served && !scan.may_be_exhausted() {
            return Reading::Nothing;
        }
        let reference = self.reference(&head, scan.date());
        let by_headers = || wait::read(head.headers, &scan, class, reference, &self.units);
        if class != StatusClass::Refused {
            return by_headers();
        }
        if let Some(hint) = self.in_headers(head.headers, reference) {
            return Reading::Wait(hint);
        }
        match by_headers() {
            Reading::Nothing => self
                .beyond(head.headers, body, reference)
                .map_or(Reading::Nothing, Reading::Wait),
            found => found,
        }
    }

    /// What is left of a published quota.
    pub(crate) fn remaining_of(
        &self,
        counted: &str,
        headers: &HeaderMap,
        received: impl FnOnce() -> SystemTime,
    ) -> Option<Remaining> {
        remaining::remaining_of(counted, headers, received, &self.units)
    }

    /// What is left of a published quota of calls.
    pub(crate) fn remaining(
        &self,
        headers: &HeaderMap,
        scan: &HeaderScan<'_>,
        received: impl FnOnce() -> SystemTime,
    ) -> Option<Remaining> {
        // A published reset is kept to the letter, also by a server that cuts its `Retry-After`.
        let reference = || ReferenceTime::of(received, scan.date(), false);
        if self.usages.is_empty() {
            return remaining::read(scan, reference, &self.units);
        }
        let reference = reference();
        let published = remaining::read(scan, || reference, &self.units);
        let used = self.used(headers, scan, reference);
        let both = published.into_iter().chain(used);
        both.min_by_key(Remaining::tightness)
    }

    /// What was not used, of the counter with the least left.
    fn used(
        &self,
        headers: &HeaderMap,
        scan: &HeaderScan<'_>,
        reference: ReferenceTime,
    ) -> Option<Remaining> {
        let fresh = self.usages.iter().filter(|_| !scan.is_stale());
        fresh
            .filter_map(|usage| usage.remaining(headers, reference))
            .min_by_key(Remaining::tightness)
    }

    /// The pause that a served answer asks for in one of these places.
    pub(crate) fn pause(
        &self,
        places: &[Field],
        head: Head<'_>,
        body: Option<&[u8]>,
    ) -> Option<Hint> {
        let date = head.headers.get(DATE).map(HeaderValue::as_bytes);
        let reference = self.reference(&head, date);
        let body = body.unwrap_or_default();
        longest(
            places
                .iter()
                .chain(&self.usages)
                .filter_map(|place| place.read(head.headers, body, reference)),
        )
    }

    fn reference(&self, head: &Head<'_>, date: Option<&[u8]>) -> ReferenceTime {
        ReferenceTime::of(|| head.received, date, self.retry_after_rounded_down)
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
