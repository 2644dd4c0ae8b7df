//! The server side of a provider: it enforces the limit and remembers the waits it named.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep};

use super::chance;
use super::clock::Wall;
use super::providers::Provider;
use super::tally::Tally;
use super::window::{self, Window};

/// The response of every request.
pub(crate) type Answer = Response<Full<Bytes>>;

/// A running provider, the same in this process or behind a socket.
#[derive(Debug)]
pub(crate) struct Desk {
    provider: &'static Provider,
    wall: Wall,
    tally: Arc<Tally>,
    books: Mutex<Books>,
}

#[derive(Debug)]
struct Books {
    windows: Vec<Window>,
    visits: Vec<Visits>,
}

/// The state of one job.
#[derive(Clone, Copy, Debug, Default)]
struct Visits {
    attempts: u32,
    failures: u32,
    /// The job was told not to come back before.
    not_before: Option<Instant>,
}

impl Desk {
    /// Creates a desk for a number of jobs.
    pub(crate) fn open(
        provider: &'static Provider,
        jobs: u32,
        wall: Wall,
        tally: &Arc<Tally>,
    ) -> Self {
        let windows = provider.windows.iter().copied().map(Window::new).collect();
        let visits = vec![Visits::default(); jobs as usize];
        Self {
            provider,
            wall,
            tally: Arc::clone(tally),
            books: Mutex::new(Books { windows, visits }),
        }
    }

    /// Responds to a request of this path, `/jobs/17`.
    ///
    /// The request travels for half of its latency and is decided when it arrives; the response travels for the other
    /// half.
    pub(crate) async fn serve(&self, path: &str) -> Answer {
        let job = path.strip_prefix("/jobs/").and_then(|job| job.parse().ok());
        let job: u32 = job.expect("the queue asks for /jobs/<number>");
        let half = chance::latency(job, self.attempt(job)) / 2;
        sleep(half).await;
        let answer = self.decide(job);
        sleep(half).await;
        answer
    }

    fn attempt(&self, job: u32) -> u32 {
        let mut books = self.books.lock().expect("no panic while it is locked");
        let visits = &mut books.visits[job as usize];
        visits.attempts += 1;
        visits.attempts
    }

    fn decide(&self, job: u32) -> Answer {
        let (now, wall) = (Instant::now(), self.wall.now());
        let mut books = self.books.lock().expect("no panic while it is locked");
        let Books { windows, visits } = &mut *books;
        let visits = &mut visits[job as usize];
        self.tally.sent.add();
        if visits.not_before.is_some_and(|moment| now < moment) {
            self.tally.early.add();
        }
        let count = window::count(windows, now);
        if count.refused {
            visits.not_before = Some(now + self.provider.wording.told(count, wall));
        }
        let status = self.status(job, count.refused, visits);
        self.provider.wording.answer(status, count, wall)
    }

    fn status(&self, job: u32, refused: bool, visits: &mut Visits) -> StatusCode {
        if refused {
            self.tally.refused.add();
            StatusCode::TOO_MANY_REQUESTS
        } else if chance::fails(job, visits.failures) {
            visits.failures += 1;
            self.tally.failed.add();
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        }
    }
}
