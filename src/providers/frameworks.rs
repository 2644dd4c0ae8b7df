//! Presets by framework, for an API whose page is silent but whose server is known.
//!
//! Most APIs run one of these rate limiters. Each function states how the limiter refuses at its defaults, as
//! its source and runs against it show: `docs/servers.md` of the repository has the figures. Those that take
//! a limit declare it, too, so that the server has no reason to refuse. Give the provider a name of its own,
//! and change what is different:
//!
//! ```
//! use tower_backoff::{Quota, providers::frameworks};
//!
//! let shop = frameworks::laravel().named("shop");
//! let search = frameworks::nginx_limit_req(Quota::per_second(15), 20).named("search").final_on([403]);
//! # let _ = (shop, search);
//! ```
//!
//! A name tells the gates of one provider from those of another in the log, and two layers of one name in one
//! process are warned about.

use std::time::Duration;

use crate::gate::Quota;
use crate::hint::Unit;
use crate::policy::Provider;

const SECOND: Duration = Duration::from_secs(1);

/// nginx with `limit_req` or `limit_conn` at the defaults: a bare 503 is a refusal.
///
/// nginx refuses before it passes a request on, so that a POST goes again, too. **An application behind it
/// may answer 503 as well, after it has begun the work**: then say `without_throttled_on()`, and the limiter
/// is recognised by what it serves and refuses. With `limit_req_status 429` say `bare_429_wait` for as long
/// as the burst needs to drain.
pub fn nginx() -> Provider {
    Provider::new("nginx").throttled_on([503], SECOND)
}

/// nginx with `limit_req rate=.. burst=..`, refusing with a bare 503 or 429.
///
/// It is a leaky bucket: one request and the burst at once, the others at the rate.
///
/// ```
/// use tower_backoff::{Quota, providers::frameworks};
///
/// // limit_req_zone $binary_remote_addr zone=one:10m rate=15r/s;  limit_req zone=one burst=20 nodelay;
/// let acme = frameworks::nginx_limit_req(Quota::per_second(15), 20).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `rate` is a number of calls at once, which is [`nginx_limit_conn`].
#[track_caller]
pub fn nginx_limit_req(rate: Quota, burst: u32) -> Provider {
    let window = window_of(&rate);
    let bucket = match burst {
        0 => rate.paced(),
        _ => rate.burst(burst.saturating_add(1)),
    };
    let wait = window.max(SECOND);
    nginx().quota(bucket).bare_429_wait(wait)
}

/// nginx with `limit_conn`: this many calls at once, refused with a bare 503.
///
/// ```
/// use tower_backoff::providers::frameworks;
///
/// let acme = frameworks::nginx_limit_conn(8).named("acme"); // limit_conn addr 8;
/// # let _ = acme;
/// ```
pub fn nginx_limit_conn(calls: u32) -> Provider {
    nginx().quota(Quota::concurrent(calls))
}

/// HAProxy that denies above `http_req_rate`, with a bare 403 (its default) or 429.
///
/// It counts over a sliding window, refused calls included.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, providers::frameworks};
///
/// // http_req_rate(10s) gt 100
/// let acme = frameworks::haproxy(Quota::new(100, Duration::from_secs(10))).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `limit` is a number of calls at once.
#[track_caller]
pub fn haproxy(limit: Quota) -> Provider {
    let window = window_of(&limit);
    Provider::new("haproxy")
        .quota(limit.paced())
        .throttled_on([403], window)
        .bare_429_wait(window)
}

/// Varnish with `vsthrottle.is_denied`: a 429 that is bare, or has a constant `Retry-After`.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, providers::frameworks};
///
/// // vsthrottle.is_denied(client.identity, 15, 10s)
/// let acme = frameworks::varnish(Quota::new(15, Duration::from_secs(10))).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `limit` is a number of calls at once.
#[track_caller]
pub fn varnish(limit: Quota) -> Provider {
    declared("varnish", limit)
}

/// Apache with `mod_evasive`: a bare 403 for the blocking period, which each call begins anew.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::providers::frameworks;
///
/// let acme = frameworks::mod_evasive(Duration::from_secs(10)).named("acme"); // DOSBlockingPeriod 10
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `blocking_period` is zero.
#[track_caller]
pub fn mod_evasive(blocking_period: Duration) -> Provider {
    Provider::new("mod-evasive")
        .throttled_on([403], blocking_period)
        .cold_start(1)
}

/// Laravel with `throttle`: published counters without a reset, and a 429 with `Retry-After`.
///
/// Nothing is left to state: the counters are spent before sending. A proxy that drops the headers leaves a
/// bare 429, which waits a minute, as Laravel's windows are counted.
pub fn laravel() -> Provider {
    Provider::new("laravel")
}

/// Laravel with a `throttle` that is known, such as `throttle:60,1`.
///
/// ```
/// use tower_backoff::{Quota, providers::frameworks};
///
/// let acme = frameworks::laravel_throttle(Quota::per_minute(60)).named("acme");
/// # let _ = acme;
/// ```
pub fn laravel_throttle(limit: Quota) -> Provider {
    laravel().quota(limit)
}

/// Symfony with `RateLimiter` as its manual shows it: a bare 429.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, providers::frameworks};
///
/// // limit: 100, interval: '15 minutes'
/// let acme = frameworks::symfony(Quota::new(100, Duration::from_secs(15 * 60))).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `limit` is a number of calls at once.
#[track_caller]
pub fn symfony(limit: Quota) -> Provider {
    declared("symfony", limit)
}

/// Rails with rack-attack: a bare 429, because its `Retry-After` is off unless it is switched on.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, providers::frameworks};
///
/// // throttle("req/ip", limit: 300, period: 5.minutes)
/// let acme = frameworks::rack_attack(Quota::new(300, Duration::from_secs(5 * 60))).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `limit` is a number of calls at once.
#[track_caller]
pub fn rack_attack(limit: Quota) -> Provider {
    declared("rack-attack", limit)
}

/// Django REST framework: a 429 with `Retry-After` until one call is free, and silence while it serves.
///
/// `Retry-After` is cut to whole seconds.
pub fn django_rest() -> Provider {
    Provider::new("django-rest").retry_after_rounded_down()
}

/// Django REST framework with a rate that is known, such as `"60/min"`.
///
/// ```
/// use tower_backoff::{Quota, providers::frameworks};
///
/// let acme = frameworks::django_rest_throttle(Quota::per_minute(60)).named("acme");
/// # let _ = acme;
/// ```
pub fn django_rest_throttle(limit: Quota) -> Provider {
    django_rest().quota(limit)
}

/// django-ratelimit: a bare 403, or a bare 429 where its view says so, in windows aligned to the clock.
///
/// ```
/// use tower_backoff::{Quota, providers::frameworks};
///
/// let acme = frameworks::django_ratelimit(Quota::per_minute(60)).named("acme"); // rate="60/m"
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `limit` is a number of calls at once.
#[track_caller]
pub fn django_ratelimit(limit: Quota) -> Provider {
    let window = window_of(&limit);
    declared("django-ratelimit", limit).throttled_on([403], window)
}

/// Flask-Limiter: a bare 429, because its headers are off by default.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Quota, providers::frameworks};
///
/// // "30 per 10 second"
/// let acme = frameworks::flask_limiter(Quota::new(30, Duration::from_secs(10))).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `limit` is a number of calls at once.
#[track_caller]
pub fn flask_limiter(limit: Quota) -> Provider {
    declared("flask-limiter", limit)
}

/// express-rate-limit, `@nestjs/throttler`, hono-rate-limiter: counters, a 429 with `Retry-After`.
///
/// Nothing is left to state. With both kinds of headers off its 429 is bare: say `bare_429_wait` for its
/// window.
pub fn express_rate_limit() -> Provider {
    Provider::new("express-rate-limit")
}

/// koa-ratelimit: a 429 whose `Retry-After` is cut to whole seconds.
pub fn koa_ratelimit() -> Provider {
    Provider::new("koa-ratelimit").retry_after_rounded_down()
}

/// rate-limiter-flexible whose `Retry-After` is in milliseconds, as many servers pass it on.
pub fn rate_limiter_flexible_millis() -> Provider {
    Provider::new("rate-limiter-flexible").header_unit("retry-after", Unit::Millis)
}

/// `@fastify/rate-limit`: counters, and a 429 with `Retry-After`.
pub fn fastify() -> Provider {
    Provider::new("fastify")
}

/// `@fastify/rate-limit` with `continueExceeding`: each call while it refuses begins the window anew.
pub fn fastify_continue_exceeding() -> Provider {
    fastify().cold_start(1)
}

/// tower_governor and actix-governor: a 429 whose `Retry-After` is cut to whole seconds, often to 0.
pub fn governor() -> Provider {
    Provider::new("governor").retry_after_rounded_down()
}

/// tower_governor and actix-governor with a period of one call and a burst that are known.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::providers::frameworks;
///
/// // .per_second(2).burst_size(5): one call in two seconds, five at once
/// let acme = frameworks::governor_limit(Duration::from_secs(2), 5).named("acme");
/// # let _ = acme;
/// ```
///
/// # Panics
///
/// If `burst` is zero.
#[track_caller]
pub fn governor_limit(period: Duration, burst: u32) -> Provider {
    governor().quota(Quota::new(1, period).burst(burst))
}

/// tower's `load_shed` over `concurrency_limit`: a bare 503 above this many calls at once.
///
/// ```
/// use tower_backoff::providers::frameworks;
///
/// let acme = frameworks::load_shed(8).named("acme"); // concurrency_limit(8)
/// # let _ = acme;
/// ```
pub fn load_shed(calls: u32) -> Provider {
    Provider::new("load-shed").quota(Quota::concurrent(calls))
}

/// A limit that is declared, whose bare 429 ends at the latest with its window.
#[track_caller]
fn declared(name: &'static str, limit: Quota) -> Provider {
    let window = window_of(&limit);
    Provider::new(name).quota(limit).bare_429_wait(window)
}

#[track_caller]
fn window_of(limit: &Quota) -> Duration {
    limit
        .window()
        .expect("a rate has a window: write it such as Quota::per_second(15)")
}
