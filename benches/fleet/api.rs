//! The API whose quota is shared. It counts by itself, and knows who called.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// How it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    FixedWindow,
    SlidingLog,
    TokenBucket,
    /// In windows that it publishes and that nobody has declared.
    Published,
}

#[derive(Clone, Copy, Debug)]
pub struct ApiPlan {
    pub counts: Counts,
    pub limit: u32,
    pub window: Duration,
    pub answers_in: Duration,
    /// The percentage of the quota that another user of the key eats.
    pub eaten: u32,
}

/// What was served and refused.
#[derive(Debug, Default)]
pub struct Tally {
    /// When each call was served, and to which member.
    pub served: Vec<(Instant, u32)>,
    pub refused: Vec<Instant>,
}

#[derive(Debug)]
struct Counter {
    plan: ApiPlan,
    began: Instant,
    log: VecDeque<Instant>,
    window: u128,
    count: u32,
    level: f64,
    filled: Instant,
}

impl Counter {
    fn new(plan: ApiPlan) -> Self {
        let now = Instant::now();
        Self {
            plan,
            began: now,
            log: VecDeque::new(),
            window: 0,
            count: 0,
            level: f64::from(plan.limit),
            filled: now,
        }
    }

    fn admits(&mut self, now: Instant) -> bool {
        let (limit, length) = (self.plan.limit, self.plan.window);
        match self.plan.counts {
            Counts::FixedWindow | Counts::Published => {
                let window = (now - self.began).as_nanos() / length.as_nanos();
                if window > self.window {
                    (self.window, self.count) = (window, 0);
                }
                let admitted = self.count < limit;
                self.count += u32::from(admitted);
                admitted
            }
            Counts::SlidingLog => {
                while self.log.front().is_some_and(|at| now - *at >= length) {
                    self.log.pop_front();
                }
                let admitted = self.log.len() < limit as usize;
                if admitted {
                    self.log.push_back(now);
                }
                admitted
            }
            Counts::TokenBucket => {
                let refill = (now - self.filled).as_secs_f64() * f64::from(limit);
                self.level = (self.level + refill / length.as_secs_f64()).min(f64::from(limit));
                self.filled = now;
                let admitted = self.level >= 1.0;
                self.level -= f64::from(u8::from(admitted));
                admitted
            }
        }
    }

    /// How much is left of the window, and for how long it lasts.
    fn left(&self, now: Instant) -> (u32, Duration) {
        let length = self.plan.window;
        let passed = (now - self.began).as_nanos() % length.as_nanos();
        let rest = length.as_nanos() - passed;
        let seconds = rest.div_ceil(1_000_000_000);
        (
            self.plan.limit - self.count.min(self.plan.limit),
            Duration::from_secs(seconds as u64),
        )
    }
}

pub struct Api {
    pub addr: SocketAddr,
    pub tally: Arc<Mutex<Tally>>,
    server: tokio::task::JoinHandle<()>,
    eater: tokio::task::JoinHandle<()>,
}

impl Api {
    pub async fn start(plan: ApiPlan) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let tally = Arc::new(Mutex::new(Tally::default()));
        let counter = Arc::new(Mutex::new(Counter::new(plan)));
        let eater = tokio::spawn(eat(plan, Arc::clone(&counter)));
        let server = tokio::spawn(serve(listener, plan, counter, Arc::clone(&tally)));
        Ok(Self {
            addr,
            tally,
            server,
            eater,
        })
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.server.abort();
        self.eater.abort();
    }
}

/// Another user of the key, which takes its part evenly.
async fn eat(plan: ApiPlan, counter: Arc<Mutex<Counter>>) {
    let rate = f64::from(plan.limit * plan.eaten) / 100.0 / plan.window.as_secs_f64();
    if rate == 0.0 {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    loop {
        ticks.tick().await;
        counter.lock().expect("a counter").admits(Instant::now());
    }
}

async fn serve(
    listener: TcpListener,
    plan: ApiPlan,
    counter: Arc<Mutex<Counter>>,
    tally: Arc<Mutex<Tally>>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (counter, tally) = (Arc::clone(&counter), Arc::clone(&tally));
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let (counter, tally) = (Arc::clone(&counter), Arc::clone(&tally));
                async move {
                    let response = answer(&request, &counter, &tally);
                    tokio::time::sleep(plan.answers_in).await;
                    Ok::<_, Infallible>(response)
                }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    counter: &Mutex<Counter>,
    tally: &Mutex<Tally>,
) -> Response<Full<Bytes>> {
    let member = request.headers().get("x-member");
    let member = member.and_then(|member| member.to_str().ok()?.parse().ok());
    let now = Instant::now();
    let mut counter = counter.lock().expect("a counter");
    let admitted = counter.admits(now);
    let (left, resets_in) = counter.left(now);
    let plan = counter.plan;
    drop(counter);
    let mut response = Response::builder();
    if plan.counts == Counts::Published {
        response = response
            .header("x-ratelimit-limit", plan.limit)
            .header("x-ratelimit-remaining", left)
            .header("x-ratelimit-reset", resets_in.as_secs());
    }
    let mut tally = tally.lock().expect("a tally");
    if admitted {
        tally.served.push((now, member.unwrap_or_default()));
        return response.body(Full::default()).expect("a response");
    }
    tally.refused.push(now);
    let wait = plan.window.as_secs().clamp(1, 60);
    let refusal = response.status(429).header("retry-after", wait);
    refusal.body(Full::default()).expect("a response")
}

impl Tally {
    /// How many calls were served to each member between two moments.
    pub fn shares(&self, from: Instant, until: Instant) -> BTreeMap<u32, usize> {
        let mut shares = BTreeMap::new();
        for (at, member) in &self.served {
            if *at >= from && *at < until {
                *shares.entry(*member).or_default() += 1;
            }
        }
        shares
    }

    /// How many calls were served in each second between two moments.
    pub fn seconds(&self, from: Instant, until: Instant) -> Vec<usize> {
        let count = (until - from).as_secs() as usize;
        let mut seconds = vec![0; count];
        for (at, _) in &self.served {
            if *at >= from {
                let second = (*at - from).as_secs() as usize;
                if let Some(sum) = seconds.get_mut(second) {
                    *sum += 1;
                }
            }
        }
        seconds
    }
}
