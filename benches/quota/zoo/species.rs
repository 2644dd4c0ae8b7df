//! The species of the zoo, and the cells that they are played in.

use super::dialect::Dialect;
use super::limiter::{Burst, Limiter};
use super::regime::{Factor, Regime};
use super::specimen::Specimen;

/// A limiter as a product ships it.
struct Species {
    name: &'static str,
    limiter: Limiter,
    dialect: Dialect,
    /// Whether the small zoo plays it in every regime, not only in the bases.
    is_representative: bool,
}

const TWO: Limiter = Limiter::Bucket(Burst::Calls(2));
const TENTH: Limiter = Limiter::Bucket(Burst::Tenth);
const ONE: Limiter = Limiter::Bucket(Burst::Calls(1));
/// `burst=20 nodelay` of nginx, which holds one call more.
const NGINX: Limiter = Limiter::Bucket(Burst::Calls(21));
const QUEUE: Limiter = Limiter::Queue(Burst::Calls(21));

const fn species(name: &'static str, limiter: Limiter, dialect: Dialect) -> Species {
    Species {
        name,
        limiter,
        dialect,
        is_representative: false,
    }
}

const fn representative(name: &'static str, limiter: Limiter, dialect: Dialect) -> Species {
    Species {
        is_representative: true,
        ..species(name, limiter, dialect)
    }
}

const SPECIES: [Species; 51] = [
    representative("laravel", Limiter::Fixed, Dialect::Laravel),
    representative("rack-attack", Limiter::Aligned, Dialect::RackAttack),
    representative("express-legacy", Limiter::Fixed, Dialect::Legacy),
    species("flexible", Limiter::Fixed, Dialect::Flexible),
    species("flexible-ms", Limiter::Fixed, Dialect::FlexibleMillis),
    species("draft-6", Limiter::Fixed, Dialect::Draft6),
    species("draft-7", Limiter::Fixed, Dialect::Draft7),
    representative("draft-8", Limiter::Fixed, Dialect::Draft8),
    species("fastify", Limiter::Fixed, Dialect::Fastify),
    species("fastify-continue", Limiter::Renewed, Dialect::Fastify),
    species("nest-named", Limiter::Two, Dialect::NestNamed),
    species("koa", Limiter::Fixed, Dialect::Koa),
    species("retry-after", Limiter::Fixed, Dialect::RetryAfter),
    species("retry-after-cut", Limiter::Fixed, Dialect::Cut),
    species("continue", Limiter::Renewed, Dialect::RetryAfter),
    species("drf", Limiter::Log, Dialect::RestFramework),
    representative("fastapi-limiter", Limiter::Log, Dialect::RetryAfter),
    species("log-counters", Limiter::Log, Dialect::Counters),
    species("flask-moving", Limiter::Log, Dialect::Legacy),
    species("flask-sliding", Limiter::Counter, Dialect::Legacy),
    representative("symfony-sliding", Limiter::Counter, Dialect::RetryAfter),
    species("symfony-counters", Limiter::Counter, Dialect::Counters),
    species("sliding-cut", Limiter::Counter, Dialect::Cut),
    species("governor", Limiter::Bucket(Burst::Whole), Dialect::Governor),
    representative("governor-tenth", TENTH, Dialect::Governor),
    species("bucket-tenth", TENTH, Dialect::RetryAfter),
    species("bucket-tenth-counters", TENTH, Dialect::Counters),
    species("bucket-2", TWO, Dialect::RetryAfter),
    species("bucket-2-cut", TWO, Dialect::Cut),
    species("bucket-2-counters", TWO, Dialect::Counters),
    species("governor-1", ONE, Dialect::Governor),
    species("gcra-1", ONE, Dialect::RetryAfter),
    species("nginx-strict-503", ONE, Dialect::Bare(503)),
    representative("nginx-strict-429", ONE, Dialect::Bare(429)),
    representative("nginx-503", NGINX, Dialect::Bare(503)),
    species("nginx-429", NGINX, Dialect::Bare(429)),
    species("nginx-queue-503", QUEUE, Dialect::Bare(503)),
    species("nginx-queue-429", QUEUE, Dialect::Bare(429)),
    species("queue", QUEUE, Dialect::RetryAfter),
    species("vsthrottle", Limiter::WholeTokens, Dialect::Five),
    species("mod-evasive", Limiter::Blocking, Dialect::Bare(403)),
    species("django-403", Limiter::Aligned, Dialect::Bare(403)),
    species("django-429", Limiter::Aligned, Dialect::Bare(429)),
    representative("express-bare", Limiter::Fixed, Dialect::Bare(429)),
    species("aiohttp", Limiter::Log, Dialect::Words),
    species("haproxy", Limiter::CounterOfAll, Dialect::Bare(429)),
    representative("fixed-503", Limiter::Fixed, Dialect::Bare(503)),
    species("aligned-503", Limiter::Aligned, Dialect::Bare(503)),
    species("log-503", Limiter::Log, Dialect::Bare(503)),
    species("sliding-503", Limiter::Counter, Dialect::Bare(503)),
    species("haproxy-503", Limiter::CounterOfAll, Dialect::Bare(503)),
];

/// Limits on concurrent calls, which have bases of their own.
const CONCURRENT: [Species; 3] = [
    representative("load-shed", Limiter::Concurrent, Dialect::Bare(503)),
    species("nginx-conn", Limiter::Concurrent, Dialect::Bare(429)),
    species("concurrent", Limiter::Concurrent, Dialect::RetryAfter),
];

impl Species {
    fn bases(&self) -> [Regime; 2] {
        if self.limiter == Limiter::Concurrent {
            [Regime::eight_at_once(), Regime::many_at_once()]
        } else {
            [Regime::minute(), Regime::two_seconds()]
        }
    }

    fn limits(&self, base: &Regime) -> &'static [Factor] {
        const OF_A_MINUTE: [Factor; 4] = [
            Factor::Limit(1),
            Factor::Limit(20),
            Factor::Limit(100),
            Factor::Limit(5_000),
        ];
        const OF_TWO_SECONDS: [Factor; 4] = [
            Factor::Limit(1),
            Factor::Limit(5),
            Factor::Limit(100),
            Factor::Limit(1_000),
        ];
        const AT_ONCE: [Factor; 2] = [Factor::Limit(1), Factor::Limit(3)];
        match base.limit {
            600 => &OF_A_MINUTE,
            20 => &OF_TWO_SECONDS,
            8 => &AT_ONCE,
            _ => &[],
        }
    }

    /// The factors that make a difference to this species.
    fn factors(&self, base: &Regime) -> Vec<Factor> {
        let common = Factor::COMMON.into_iter();
        let matters = |factor: &Factor| match factor {
            Factor::Lies(_) => !self.is_silent(),
            // Its refused calls would keep the block of all up for ever.
            Factor::OtherClient if self.is_prolonged_by_refusals() => false,
            Factor::Window(_) | Factor::OtherClient | Factor::Changes(_) => {
                self.limiter != Limiter::Concurrent
            }
            _ => true,
        };
        common
            .filter(matters)
            .chain(self.limits(base).iter().copied())
            .collect()
    }

    fn is_prolonged_by_refusals(&self) -> bool {
        matches!(self.limiter, Limiter::Renewed | Limiter::Blocking)
    }

    fn is_silent(&self) -> bool {
        matches!(
            self.dialect,
            Dialect::Bare(_) | Dialect::Words | Dialect::Five
        )
    }

    fn specimen(&self, regime: Regime) -> Specimen {
        Specimen {
            name: format!("zoo/{}/{}", self.name, regime.name),
            limiter: self.limiter,
            dialect: self.dialect,
            has_all_peers: regime.is_base(),
            regime,
        }
    }

    fn one_factor(&self, base: &Regime) -> Vec<Specimen> {
        let factors = self.factors(base).into_iter();
        factors
            .map(|factor| self.specimen(base.with(factor)))
            .collect()
    }

    fn two_factors(&self, base: &Regime) -> Vec<Specimen> {
        let factors = self.factors(base);
        let mut specimens = Vec::new();
        for (number, first) in factors.iter().enumerate() {
            let others = factors[number + 1..].iter();
            for second in others.filter(|second| !second.is_like(*first)) {
                specimens.push(self.specimen(base.with(*first).with(*second)));
            }
        }
        specimens
    }
}

fn every() -> impl Iterator<Item = &'static Species> {
    SPECIES.iter().chain(&CONCURRENT)
}

/// All species in the bases, the representative ones in every regime.
pub fn small() -> Vec<Specimen> {
    let mut specimens = Vec::new();
    for species in every() {
        for base in species.bases() {
            specimens.push(species.specimen(base.clone()));
            if species.is_representative {
                specimens.extend(species.one_factor(&base));
            }
        }
    }
    specimens
}

/// All species in every regime, the representative ones in pairs of factors as well.
pub fn all() -> Vec<Specimen> {
    let mut specimens = Vec::new();
    for species in every() {
        for base in species.bases() {
            specimens.push(species.specimen(base.clone()));
            specimens.extend(species.one_factor(&base));
            if species.is_representative {
                specimens.extend(species.two_factors(&base));
            }
        }
    }
    specimens
        .iter_mut()
        .for_each(|specimen| specimen.has_all_peers = !specimen.regime.is_pair);
    specimens
}
