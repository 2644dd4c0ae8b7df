//! What was sent, refused and answered in a world, and what must hold for it.

use std::collections::HashMap;
use std::time::Duration;

/// Who a wait concerns: a host, or one bucket of it.
pub(crate) type Place = (usize, Option<usize>);

/// Requests of one kind belong to one bucket: whether it is a POST, a PUT or a GET, and its route.
pub(crate) type Kind = (u8, usize);

/// No call may be sent to this place between these moments.
#[derive(Clone, Copy, Debug)]
struct Closing {
    place: Place,
    from: Duration,
    until: Duration,
}

/// What a world has seen; all moments count from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Book {
    closings: Vec<Closing>,
    /// Buckets that responses have named, by host and kind of request.
    named: HashMap<(usize, Kind), usize>,
    sent: HashMap<usize, Vec<Duration>>,
    on_their_way: HashMap<usize, u64>,
    executed: HashMap<u64, u32>,
    last_head: HashMap<u64, Duration>,
    last_sent: HashMap<u64, Duration>,
    pub(crate) calls: u64,
    pub(crate) refusals: u64,
    pub(crate) violations: Vec<String>,
}

/// What was declared for each host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Declared {
    Nothing,
    Window(u64, Duration),
    Concurrent(u64),
}

impl Book {
    pub(crate) fn violated(&mut self, what: impl FnOnce() -> String) {
        if self.violations.len() < 5 {
            self.violations.push(what());
        }
    }

    /// The layer sends a call of a job.
    pub(crate) fn sends(
        &mut self,
        job: u64,
        host: usize,
        kind: Kind,
        declared: Declared,
        now: Duration,
    ) {
        self.calls += 1;
        self.last_sent.insert(job, now);
        let bucket = self.named.get(&(host, kind)).copied();
        let here =
            |place: Place| place == (host, None) || bucket.is_some() && place == (host, bucket);
        self.closings.retain(|closing| closing.until > now);
        let early = self
            .closings
            .iter()
            .find(|closing| here(closing.place) && closing.from < now);
        if let Some(Closing { place, from, until }) = early.copied() {
            self.violated(|| {
                format!("job {job} was sent at {now:?}, but {place:?} is closed from {from:?} to {until:?}")
            });
        }
        self.spends(host, declared, now);
    }

    fn spends(&mut self, host: usize, declared: Declared, now: Duration) {
        let on_their_way = self.on_their_way.entry(host).or_default();
        *on_their_way += 1;
        let on_their_way = *on_their_way;
        match declared {
            Declared::Concurrent(limit) if on_their_way > limit => {
                self.violated(|| format!("{on_their_way} of {limit} at once, at {now:?}"));
            }
            Declared::Window(limit, length) => {
                let sent = self.sent.entry(host).or_default();
                sent.push(now);
                let first = sent.len().checked_sub(limit as usize + 1);
                let since = first.map(|first| now - sent[first]);
                if since.is_some_and(|since| since < length) {
                    self.violated(|| format!("{} within {since:?}, at {now:?}", limit + 1));
                }
            }
            _ => {}
        }
    }

    /// A call is no longer on its way: answered, failed, or dropped.
    pub(crate) fn is_back(&mut self, host: usize) {
        *self.on_their_way.entry(host).or_default() -= 1;
    }

    /// The head of an answer has reached the layer.
    pub(crate) fn on_response(&mut self, job: u64, now: Duration) {
        self.last_head.insert(job, now);
    }

    /// It names the bucket of its route.
    pub(crate) fn names(&mut self, host: usize, kind: Kind, bucket: usize) {
        self.named.insert((host, kind), bucket);
    }

    /// It closes a place.
    pub(crate) fn closes(&mut self, place: Place, now: Duration, wait: Duration) {
        self.refusals += 1;
        self.closings.push(Closing {
            place,
            from: now,
            until: now + wait,
        });
    }

    /// The server does the work of a job.
    pub(crate) fn executes(&mut self, job: u64, once: bool, now: Duration) {
        let times = self.executed.entry(job).or_default();
        *times += 1;
        if once && *times > 1 {
            self.violated(|| format!("job {job} is a POST and was executed twice, at {now:?}"));
        }
    }

    /// A call has ended that may take so long from its start.
    pub(crate) fn ends(&mut self, job: u64, started: Duration, patience: Duration, now: Duration) {
        const SECOND: Duration = Duration::from_secs(1);
        /// A refusal's body is looked at and drained for two seconds each.
        const READING: Duration = Duration::from_millis(4_100);
        let latest = started + patience;
        let sent = self.last_sent.get(&job).copied().unwrap_or_default();
        if sent > latest {
            self.violated(|| {
                format!("job {job} was sent at {sent:?}, with patience until {latest:?}")
            });
        }
        let head = self.last_head.get(&job).copied().unwrap_or_default();
        let due = (latest + SECOND).max(head + READING);
        if now > due {
            self.violated(|| format!("job {job} ended at {now:?}, with patience until {latest:?}"));
        }
    }
}
