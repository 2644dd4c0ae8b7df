//! When further calls would be sent: the gate is copied and played forward.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Admitted, Completion, Core, Outcome};
use crate::time::Moment;

/// When further calls would be sent, as far as is known; see [`Gates::estimate`](crate::Gates::estimate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Estimate {
    /// How long the first of them would wait.
    pub first: Duration,
    /// How long the last of them would wait: the time that the backlog takes.
    pub last: Duration,
}

/// The round trip of a server that has answered no call yet.
const UNKNOWN: Duration = Duration::from_millis(50);

/// Of more calls the first are played, which takes some tenths of a second, and the others take as long in proportion.
const MOST_PLAYED: usize = 200_000;

/// What would be sent later than this cannot be foreseen.
const HORIZON: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl Core {
    /// When `calls` further ones would be sent that cost one each and arrive now, behind `ahead` that wait.
    /// `None` if that cannot be foreseen.
    ///
    /// The server is taken to serve all of them, each after the mean round trip.
    pub(crate) fn estimate(mut self, ahead: usize, calls: u32, now: Moment) -> Option<Estimate> {
        let round_trip = match self.learner.round_trip() {
            Duration::ZERO => UNKNOWN,
            round_trip => round_trip,
        };
        let total = ahead.saturating_add(calls as usize);
        let played = total.min(MOST_PLAYED.max(ahead.saturating_add(1)));
        // The costs of those on their way are not known.
        self.cost_in_flight = self.cost_in_flight.map(|_| 0);
        let mut on_their_way: VecDeque<(Moment, Option<Admitted>)> = (0..self.in_flight)
            .map(|_| (now + round_trip, None))
            .collect();
        let (mut at, mut first) = (now, now);
        for sent in 0..played {
            let admitted = loop {
                self.answer_until(&mut on_their_way, at);
                let blocked = match self.admit(1, total - sent, at) {
                    Ok(admitted) => break admitted,
                    Err(blocked) => blocked.until,
                };
                let answered = on_their_way.front().map_or(Moment::FAR, |(then, _)| *then);
                at = blocked.min(answered).max(at + Duration::from_micros(1));
                if at > now + HORIZON {
                    return None;
                }
            };
            self.on_send(1, at);
            on_their_way.push_back((at + round_trip, Some(admitted)));
            if sent <= ahead {
                first = at;
            }
        }
        Some(Estimate {
            first: first.since(now),
            last: at.since(now).mul_f64(total as f64 / played.max(1) as f64),
        })
    }

    /// Serves the calls that are answered by now.
    fn answer_until(
        &mut self,
        on_their_way: &mut VecDeque<(Moment, Option<Admitted>)>,
        now: Moment,
    ) {
        while let Some((then, admitted)) =
            on_their_way.front().copied().filter(|(at, _)| *at <= now)
        {
            on_their_way.pop_front();
            self.limits.release_concurrency();
            match admitted {
                Some(admitted) => self.answer(admitted, then),
                None => self.land(Admitted::default()),
            }
        }
    }

    /// Serves a call.
    fn answer(&mut self, admitted: Admitted, now: Moment) {
        let served = Completion::plain(Outcome::Ok);
        self.land(admitted);
        self.limits.complete(admitted, served, now);
        self.tell_breaker(admitted, served, now);
        self.cooldown.on_success(admitted.generation);
        self.learner
            .on_foreseen_success(admitted.ticket, admitted.sent, now);
    }
}
