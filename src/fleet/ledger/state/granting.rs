//! How much is granted: now, or from when an old place becomes free.

use std::time::Duration;

use super::LedgerState;
use super::cooldown::LearnedCap;
use super::members::MemberRecord;
use super::terms::{COST, DeclaredWindow, IN_FLIGHT, Terms, UNLIMITED, bounded};
use crate::fleet::ledger::exchange::{Exchange, Granted, MemberAccount};

/// The most groups of booked places in one grant.
const MOST_GROUPS: usize = 64;
/// When to ask again for calls in flight, which end at any moment.
const ASK_IN_FLIGHT: u64 = 50_000;
/// When to ask again during a slow start, and where no window is declared.
const ASK_SOON: u64 = 100_000;

/// What one account may be granted.
#[derive(Clone, Copy, Debug)]
struct Offer {
    /// What is free now.
    free: u64,
    /// What this member may be granted, free or booked.
    most: u64,
    /// The size of one portion.
    portion: u64,
}

impl LedgerState {
    /// Serves all accounts, or none if the first call could not be sent yet. Also returns when to ask again, if one
    /// gets nothing.
    ///
    /// A member that holds a part of what a call needs, and waits for the rest, keeps it from others that do the same.
    pub(super) fn grant_all(
        &mut self,
        record: &mut MemberRecord,
        exchange: &Exchange,
        terms: &Terms,
        now: u64,
    ) -> (Vec<Vec<Granted>>, u64) {
        let mut grants = vec![Vec::new(); exchange.accounts.len()];
        let mut ask_again_in = UNLIMITED;
        let is_closed = self.cooldown.closed_for(now) > 0;
        let accounts = || terms.units.iter().zip(&exchange.accounts);
        let lacks = accounts()
            .map(|(unit, told)| !is_closed && self.lacks(record, *unit, told, terms, now));
        let lacks: Vec<_> = lacks.collect();
        let is_held_back = is_closed || lacks.contains(&true);
        for (index, (unit, told)) in accounts().enumerate() {
            let granted = match is_held_back {
                true => 0,
                false => self.grant(record, *unit, told, terms, now, &mut grants[index]),
            };
            let is_scarce = is_closed || !is_held_back || lacks[index];
            if granted == 0 && told.need > 0 && is_scarce {
                let ask = self.ask_again_in(*unit, terms, now);
                ask_again_in = ask_again_in.min(ask);
                self.note_starved(record, *unit, told, terms, ask, now);
            }
        }
        if grants.iter().any(|granted| !granted.is_empty()) {
            record.granted_at = now;
        }
        (grants, ask_again_in % UNLIMITED)
    }

    /// Grants what is free, or else books what becomes free, and returns how much that is.
    fn grant(
        &mut self,
        record: &mut MemberRecord,
        unit: usize,
        told: &MemberAccount,
        terms: &Terms,
        now: u64,
        grants: &mut Vec<Granted>,
    ) -> u64 {
        let offer = self.offer(record, unit, told, terms, now);
        let need = u64::from(told.need);
        let is_careful = self.is_careful(unit, terms);
        let has_plenty = offer.free > offer.portion && !is_careful;
        let extra = if has_plenty { u64::from(told.extra) } else { 0 };
        let wanted = (need + extra).min(u64::from(u32::MAX));
        let most = offer.portion.min(offer.most);
        let granted = wanted.min(offer.free).min(most);
        self.lend(record, unit, granted);
        push(grants, 0, granted);
        if unit == COST {
            self.cooldown.on_grant(granted, now);
        }
        let mut granted = granted;
        if granted < need.min(most) && unit != IN_FLIGHT && !is_careful {
            granted += self.book(record, unit, need.min(most) - granted, terms, now, grants);
        }
        let was_starved = record.granted_at <= self.accounts[unit].starved_since;
        if granted > 0 && was_starved && self.has_fewer_places_than_members(unit, told, terms, now)
        {
            self.accounts[unit].starved_until = 0;
        }
        granted
    }

    /// Whether the first call needs more than could be granted, free or booked.
    fn lacks(
        &self,
        record: &MemberRecord,
        unit: usize,
        told: &MemberAccount,
        terms: &Terms,
        now: u64,
    ) -> bool {
        let offer = self.offer(record, unit, told, terms, now);
        let wanted = u64::from(told.need).min(offer.portion).min(offer.most);
        let mut granted = wanted.min(offer.free);
        if unit != IN_FLIGHT && !self.is_careful(unit, terms) {
            granted = granted.max(wanted.min(self.bookable(unit, terms, now)));
        }
        granted < u64::from(told.first.min(told.need))
    }

    /// What could be booked: all that is not lent, unless a window holds more than its limit.
    fn bookable(&self, unit: usize, terms: &Terms, now: u64) -> u64 {
        let places = self.binding(unit, terms, now).map(|(index, _, limit)| {
            let is_over = self.used(index, unit) > limit;
            if is_over {
                0
            } else {
                limit - self.accounts[unit].lent
            }
        });
        places.min().unwrap_or(0)
    }

    fn offer(
        &self,
        record: &MemberRecord,
        unit: usize,
        told: &MemberAccount,
        terms: &Terms,
        now: u64,
    ) -> Offer {
        let free = self.free(unit, terms, now);
        let members = self.members.leased().max(1) as u64;
        let bound = self.binding(unit, terms, now).map(|(_, _, limit)| limit);
        let mut limit = bound.min().unwrap_or(UNLIMITED);
        let mut most = self.share_while_unknown(unit, told, terms, now);
        if now < self.accounts[unit].starved_until {
            let share = self.equal_share(unit, terms, now).max(told.first.into());
            most = most.min(share.saturating_sub(bounded(told.held)));
            // With fewer places than members they go round: who was served later waits.
            let is_later = record.granted_at > self.accounts[unit].starved_since;
            if is_later && self.has_fewer_places_than_members(unit, told, terms, now) {
                most = 0;
            }
        }
        if unit == COST {
            let published = self
                .published
                .as_ref()
                .map_or(UNLIMITED, |known| known.limit);
            limit = limit.min(published);
            let lent = self.accounts[COST].lent;
            let room = self.cooldown.room(lent, u64::from(told.first), now);
            most = most.min(room.unwrap_or(UNLIMITED));
            let room = self.room_while_cold(u64::from(told.first), terms);
            most = most.min(room.unwrap_or(UNLIMITED));
            most = most.min(self.left());
        }
        let portion = limit.div_ceil(8 * members).max(free / (2 * members));
        Offer {
            free,
            most,
            portion: portion.max(u64::from(told.first)).max(1),
        }
    }

    /// Until all members were heard that an earlier ledger had, or a window has passed since then, a member has no more
    /// than its share of the limit. The same holds while members return that were alone.
    ///
    /// As long as a lease lasts, a member that was not heard of may use what an earlier ledger has lent to it. Those that
    /// were heard have told what they hold and what they have used.
    fn share_while_unknown(
        &self,
        unit: usize,
        told: &MemberAccount,
        terms: &Terms,
        now: u64,
    ) -> u64 {
        let leased = self.members.leased() as u64;
        let began_at = self.began_at.filter(|_| self.remembered > 0);
        let returning = self.returning.filter(|(until, _)| now < *until);
        let members = match returning {
            Some((_, members)) => self.remembered.max(members).max(leased),
            None => self.remembered.max(leased),
        };
        let has = bounded(told.in_window) + bounded(told.held);
        let windows = self.binding(unit, terms, now);
        let is_heard_in_part = self.returned < self.remembered;
        let has_forgotten = |window: &DeclaredWindow| {
            let until = |began_at: u64| began_at + window.length.max(terms.lease);
            is_heard_in_part && began_at.is_some_and(|began_at| now < until(began_at))
        };
        let unknown = windows.filter(|(_, window, _)| returning.is_some() || has_forgotten(window));
        // One that was not heard of yet may have had nearly all. A newcomer says nothing about it.
        let is_first_lap = began_at.is_some_and(|began_at| now < began_at + terms.first_lap());
        let shares = unknown.map(|(_, window, limit)| {
            let share = (limit / members.max(1)).saturating_sub(has);
            if is_first_lap && has_forgotten(window) {
                0
            } else {
                share
            }
        });
        shares.min().unwrap_or(UNLIMITED)
    }

    /// Books places that become free soon: the oldest entries of the windows are lent from then on.
    fn book(
        &mut self,
        record: &mut MemberRecord,
        unit: usize,
        wanted: u64,
        terms: &Terms,
        now: u64,
        grants: &mut Vec<Granted>,
    ) -> u64 {
        let binding: Vec<_> = self.binding(unit, terms, now).collect();
        let is_over = |state: &Self| {
            let mut windows = binding.iter();
            windows.any(|(index, _, limit)| state.used(*index, unit) > *limit)
        };
        if binding.is_empty() || is_over(self) {
            return 0;
        }
        let mut booked = 0;
        for _ in 0..MOST_GROUPS {
            let Some((count, from)) = self.book_oldest(&binding, unit, wanted - booked) else {
                break;
            };
            booked += count;
            self.lend(record, unit, count);
            record.accounts[unit].unheard += count;
            record.booked_until = record.booked_until.max(from);
            push(grants, from.saturating_sub(now), count);
        }
        booked
    }

    /// Takes out as many places as become free together, at most `wanted`, and returns them with that moment.
    fn book_oldest(
        &mut self,
        binding: &[(usize, &DeclaredWindow, u64)],
        unit: usize,
        wanted: u64,
    ) -> Option<(u64, u64)> {
        let mut count = wanted;
        let mut from = 0;
        let mut taken_from = Vec::new();
        for (index, window, limit) in binding {
            let free = limit.saturating_sub(self.used(*index, unit));
            if free > 0 {
                count = count.min(free);
                continue;
            }
            let (settled_at, oldest) = self.logs[*index].oldest()?;
            count = count.min(oldest);
            from = from.max(settled_at + window.length);
            taken_from.push(*index);
        }
        for index in taken_from.iter().filter(|_| count > 0) {
            self.logs[*index].take_oldest(count);
        }
        (count > 0).then_some((count, from))
    }

    fn lend(&mut self, record: &mut MemberRecord, unit: usize, count: u64) {
        record.accounts[unit].lent += count;
        self.accounts[unit].lent += count;
        if let Some(published) = self.published.as_mut().filter(|_| unit == COST) {
            published.left -= count.min(published.left);
        }
    }

    /// When a member should ask again that lacks something of this unit.
    fn ask_again_in(&self, unit: usize, terms: &Terms, now: u64) -> u64 {
        let closed_for = self.cooldown.closed_for(now);
        if closed_for > 0 {
            return closed_for;
        }
        let lengths = terms.of_unit(unit).map(|(_, window)| window.length);
        let shortest = lengths.filter(|length| *length > 0).min();
        let ask = match unit {
            IN_FLIGHT => ASK_IN_FLIGHT,
            _ => shortest.map_or(ASK_SOON, |length| length / 8),
        };
        let is_slow_start = unit == COST && self.cooldown.is_slow_start();
        let ask = if is_slow_start {
            ask.min(ASK_SOON)
        } else {
            ask
        };
        let published = self
            .published
            .as_ref()
            .filter(|quota| unit == COST && quota.left == 0);
        let reset = published.and_then(|quota| quota.resets_in(now));
        match (reset, shortest) {
            (Some(reset), None) => reset,
            (Some(reset), Some(_)) => ask.min(reset),
            (None, _) => ask,
        }
        .max(1)
    }

    /// The window of costs that is fullest, and what the fleet had of it.
    ///
    /// That is what is spent and half of what is lent: the other half was not sent. Where most of it is booked ahead,
    /// it is the most that was settled in a window lately. 16 members that want all of 200 a second have booked nearly
    /// all of it again, and half of that would be a third too little.
    pub(super) fn fullest_window(&self, terms: &Terms, now: u64) -> Option<LearnedCap> {
        let mut fullest: Option<(u64, LearnedCap)> = None;
        for (index, window) in terms.of_unit(COST).filter(|(_, window)| window.length > 0) {
            let log = &self.logs[index];
            let spent = log.sum() + self.accounts[COST].lent / 2;
            let had = spent.max(log.most_settled());
            let full = had.min(1 << 32) * 1_000 / window.limit.max(1);
            if fullest.is_none_or(|(most, _)| full > most) {
                let learned = LearnedCap {
                    window: index,
                    limit: had.max(1),
                    learned_at: now,
                };
                fullest = Some((full, learned));
            }
        }
        fullest.map(|(_, learned)| learned)
    }
}

/// Adds to the last group if it is from the same moment on.
fn push(grants: &mut Vec<Granted>, from: u64, count: u64) {
    let from = Duration::from_micros(from);
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    match grants.last_mut() {
        _ if count == 0 => {}
        Some(last) if last.from == from => last.count = last.count.saturating_add(count),
        _ => grants.push(Granted { from, count }),
    }
}
