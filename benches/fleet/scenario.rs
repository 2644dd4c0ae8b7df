//! What is judged: a quota, its users, and what breaks meanwhile.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::api::{Api, ApiPlan, Counts};
use crate::processes::{Process, Report};
use crate::redis::Redis;

/// What the processes share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The ledger of this crate.
    Ledger,
    /// Nothing: each has an equal share of the quota.
    StaticShares,
    /// Until when the scope is closed, and nothing else.
    SharedCooldown,
}

impl Contender {
    pub const ALL: [Self; 3] = [Self::Ledger, Self::StaticShares, Self::SharedCooldown];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::StaticShares => "shares",
            Self::SharedCooldown => "cooldown",
        }
    }
}

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// It is killed for ten seconds, and comes back empty.
    RedisIsKilled,
    /// It is stopped for five seconds.
    RedisIsStopped,
    RedisIsFlushed,
    RedisIsAway,
    /// A quarter of the members.
    MembersAreKilled,
    /// The same, for six seconds.
    MembersAreStopped,
}

#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub has_peers: bool,
    plan: ApiPlan,
    members: u32,
    /// Of the first member, and of the others.
    workers: (u32, u32),
    seconds: u64,
    fault: Fault,
}

impl Scenario {
    pub fn all() -> Vec<Self> {
        let plan = ApiPlan {
            counts: Counts::SlidingLog,
            limit: 200,
            window: Duration::from_secs(1),
            answers_in: Duration::from_millis(1),
            eaten: 0,
        };
        let plain = Self {
            name: "plain",
            has_peers: true,
            plan,
            members: 16,
            workers: (25, 25),
            seconds: 15,
            fault: Fault::None,
        };
        let broken = |name, fault| Self {
            name,
            fault,
            has_peers: false,
            seconds: 24,
            ..plain.clone()
        };
        let counting = |name, counts| Self {
            name,
            has_peers: false,
            plan: ApiPlan { counts, ..plan },
            ..plain.clone()
        };
        vec![
            plain.clone(),
            counting("fixed-window", Counts::FixedWindow),
            counting("token-bucket", Counts::TokenBucket),
            Self {
                name: "slow-answers",
                plan: ApiPlan {
                    answers_in: Duration::from_millis(50),
                    ..plan
                },
                ..plain.clone()
            },
            Self {
                name: "minute",
                seconds: 180,
                plan: ApiPlan {
                    limit: 600,
                    window: Duration::from_secs(60),
                    ..plan
                },
                ..plain.clone()
            },
            Self {
                name: "few-places",
                seconds: 30,
                plan: ApiPlan {
                    limit: 20,
                    window: Duration::from_secs(2),
                    ..plan
                },
                ..plain.clone()
            },
            Self {
                name: "plenty",
                has_peers: false,
                plan: ApiPlan {
                    limit: 100_000,
                    ..plan
                },
                workers: (2, 2),
                ..plain.clone()
            },
            Self {
                name: "one-hungry",
                workers: (100, 1),
                ..plain.clone()
            },
            Self {
                name: "published",
                has_peers: false,
                seconds: 60,
                plan: ApiPlan {
                    counts: Counts::Published,
                    limit: 500,
                    window: Duration::from_secs(10),
                    ..plan
                },
                ..plain.clone()
            },
            Self {
                name: "foreign-use",
                seconds: 60,
                plan: ApiPlan { eaten: 30, ..plan },
                ..plain.clone()
            },
            broken("kill-redis", Fault::RedisIsKilled),
            broken("stop-redis", Fault::RedisIsStopped),
            broken("flush-redis", Fault::RedisIsFlushed),
            broken("no-redis", Fault::RedisIsAway),
            broken("kill-members", Fault::MembersAreKilled),
            broken("stop-members", Fault::MembersAreStopped),
        ]
    }

    pub async fn median(
        &self,
        member: &PathBuf,
        contender: Contender,
        runs: usize,
    ) -> Result<Row, String> {
        let mut rows = Vec::new();
        for _ in 0..runs.max(1) {
            rows.push(self.run(member, contender).await?);
        }
        Ok(Row::median(rows))
    }

    fn args(&self, id: u32, api: &Api, redis: &Redis, contender: Contender) -> Vec<String> {
        let workers = if id == 1 {
            self.workers.0
        } else {
            self.workers.1
        };
        let mut args = vec![
            "--id".to_owned(),
            id.to_string(),
            "--server".to_owned(),
            format!("http://{}/", api.addr),
            "--redis".to_owned(),
            redis.url(),
            "--workers".to_owned(),
            workers.to_string(),
            "--seconds".to_owned(),
            self.seconds.to_string(),
            "--members".to_owned(),
            self.members.to_string(),
            "--shares".to_owned(),
            contender.name().to_owned(),
        ];
        if self.plan.counts != Counts::Published {
            let quota = format!("{}/{}", self.plan.limit, self.plan.window.as_millis());
            args.extend(["--quota".to_owned(), quota]);
        }
        args
    }

    async fn run(&self, member: &PathBuf, contender: Contender) -> Result<Row, String> {
        let api = Api::start(self.plan)
            .await
            .map_err(|error| error.to_string())?;
        let mut redis = Redis::start(self.fault != Fault::RedisIsAway)?;
        let members = 1..=self.members;
        let processes =
            members.map(|id| Process::start(member, &self.args(id, &api, &redis, contender)));
        let mut processes: Vec<_> = processes.collect::<Result<_, _>>()?;
        for process in &mut processes {
            process.is_ready().await?;
        }
        let begun = Instant::now();
        for process in &mut processes {
            process.begin().await;
        }
        let healed = self.break_it(&mut redis, &processes, begun).await?;
        let ends = begun + Duration::from_secs(self.seconds);
        tokio::time::sleep_until(ends.into()).await;
        let (scripts, script_micros) = match self.fault {
            Fault::RedisIsAway => (0, 0.0),
            _ => redis.scripts(),
        };
        let mut reports = Vec::new();
        for process in &mut processes {
            reports.extend(process.report().await);
        }
        let tally = api.tally.lock().expect("a tally");
        let from = begun + Duration::from_secs(2).max(self.plan.window);
        Ok(self.judge(&Seen {
            contender,
            tally: &tally,
            begun,
            from,
            ends,
            healed,
            scripts,
            script_micros,
            reports: &reports,
        }))
    }

    /// Breaks what is to be broken, and returns when all was whole again.
    async fn break_it(
        &self,
        redis: &mut Redis,
        processes: &[Process],
        begun: Instant,
    ) -> Result<Option<Instant>, String> {
        let at =
            |seconds: u64| tokio::time::sleep_until((begun + Duration::from_secs(seconds)).into());
        let quarter = &processes[..processes.len() / 4];
        match self.fault {
            Fault::None | Fault::RedisIsAway => return Ok(None),
            Fault::RedisIsKilled => {
                at(5).await;
                redis.kill();
                at(15).await;
                redis.restart()?;
            }
            Fault::RedisIsStopped => {
                at(5).await;
                redis.signal("STOP");
                at(10).await;
                redis.signal("CONT");
            }
            Fault::RedisIsFlushed => {
                at(5).await;
                redis
                    .command(&["FLUSHALL"])
                    .map_err(|error| error.to_string())?;
            }
            Fault::MembersAreKilled => {
                at(5).await;
                quarter.iter().for_each(|process| process.signal("KILL"));
            }
            Fault::MembersAreStopped => {
                at(5).await;
                quarter.iter().for_each(|process| process.signal("STOP"));
                at(11).await;
                quarter.iter().for_each(|process| process.signal("CONT"));
            }
        }
        Ok(Some(Instant::now()))
    }

    fn judge(&self, seen: &Seen<'_>) -> Row {
        let window = self.plan.window.as_secs_f64();
        let rate = f64::from(self.plan.limit * (100 - self.plan.eaten)) / 100.0 / window;
        let shares = seen.tally.shares(seen.from, seen.ends);
        let served: usize = shares.values().sum();
        let refused = seen
            .tally
            .refused
            .iter()
            .filter(|at| **at < seen.ends)
            .count();
        let seconds = seen.tally.seconds(seen.begun, seen.ends);
        let whole = self.plan.window.as_secs() as usize;
        let later = &seconds[(seen.from - seen.begun).as_secs() as usize..];
        let least = later
            .chunks_exact(whole)
            .map(|part| part.iter().sum::<usize>())
            .min();
        let counts: Vec<f64> = shares.values().map(|share| *share as f64).collect();
        let (sum, squares) = counts.iter().fold((0.0, 0.0), |(sum, squares), count| {
            (sum + count, squares + count * count)
        });
        let back = seen.healed.map(|healed| {
            let healed = (healed - seen.begun).as_secs_f64();
            let is_back = |second: &usize| {
                seconds[*second..]
                    .iter()
                    .take(3)
                    .all(|served| *served as f64 >= 0.94 * rate)
            };
            let first = (healed as usize..seconds.len()).find(is_back);
            first.map_or(f64::INFINITY, |first| first as f64 - healed)
        });
        let total = seen.tally.served.len().max(1);
        let of_reports = |nth: usize| {
            let mut values: Vec<_> = seen
                .reports
                .iter()
                .map(|report| report.admit_ns[nth])
                .collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Row {
            scenario: self.name,
            shares: seen.contender.name(),
            refused_per_served: refused as f64 / total as f64,
            used: served as f64 / (seen.ends - seen.from).as_secs_f64() / rate,
            least_window: least.unwrap_or_default() as f64 / (rate * window),
            fairness: if squares == 0.0 {
                0.0
            } else {
                sum * sum / (counts.len() as f64 * squares)
            },
            scripts_per_call: seen.scripts as f64 / total as f64,
            script_micros: seen.script_micros,
            admit_p50_ns: of_reports(0),
            admit_p99_ns: of_reports(1),
            back_after_seconds: back,
            seconds: seconds.iter().map(|served| *served as u32).collect(),
        }
    }
}

struct Seen<'a> {
    contender: Contender,
    tally: &'a crate::api::Tally,
    begun: Instant,
    from: Instant,
    ends: Instant,
    healed: Option<Instant>,
    scripts: u64,
    script_micros: f64,
    reports: &'a [Report],
}

/// What one scenario came to.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    scenario: &'static str,
    shares: &'static str,
    refused_per_served: f64,
    used: f64,
    /// The use of the worst window.
    least_window: f64,
    fairness: f64,
    scripts_per_call: f64,
    script_micros: f64,
    admit_p50_ns: u64,
    admit_p99_ns: u64,
    back_after_seconds: Option<f64>,
    seconds: Vec<u32>,
}

impl Row {
    pub const HEAD: &'static str = "scenario       shares    refused    used   least  fair   scripts  us    p50 ns  p99 ns  back s";

    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers")
    }

    /// The run with the median use; its refusals are the median, too.
    fn median(mut rows: Vec<Self>) -> Self {
        let middle = rows.len() / 2;
        rows.sort_by(|a, b| a.refused_per_served.total_cmp(&b.refused_per_served));
        let refused = rows[middle].refused_per_served;
        rows.sort_by(|a, b| a.used.total_cmp(&b.used));
        Self {
            refused_per_served: refused,
            ..rows[middle].clone()
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<14} {:<9} {:<8.4} {:>6.3} {:>7.3} {:>6.3} {:>8.3} {:>4.0} {:>8} {:>7}",
            self.scenario,
            self.shares,
            self.refused_per_served,
            self.used,
            self.least_window,
            self.fairness,
            self.scripts_per_call,
            self.script_micros,
            self.admit_p50_ns,
            self.admit_p99_ns,
        )?;
        match self.back_after_seconds {
            Some(back) => write!(f, " {back:>7.1}  {:?}", self.seconds),
            None => Ok(()),
        }
    }
}
