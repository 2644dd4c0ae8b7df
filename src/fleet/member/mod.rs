//! Members that lease parts of the quotas from a ledger, so that a call is granted without a round trip.

mod account;
mod alone;
mod calls;
mod closing;
mod exchanging;
mod log;
mod outcome;
mod own_closing;
mod settled_log;
mod shared;
mod state;
mod suspended;
mod task;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use self::shared::{LeasingMember, SharedMember, lock};
use self::state::MemberState;
use super::ledger::{ClosingListener, HearsClosings, LedgerClient};
use super::{Fleet, Joining, Member, ScopeName};
use crate::scope::Scope;
use crate::time::{Clock, Rng};

/// A fleet whose members lease parts of the quotas from a ledger that all processes share.
///
/// A member deals out what was granted to it without asking, and exchanges with the ledger some times a second. While
/// the ledger is away it keeps to its share. Clones are the same fleet.
///
/// ```
/// use std::future::Future;
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
/// use tower_backoff::fleet::LedgerFleet;
/// use tower_backoff::fleet::ledger::{Exchange, LedgerClient, LedgerState, Reply, Unreachable};
/// use tower_backoff::fleet::ScopeName;
/// use tower_backoff::{RetryLayer, providers};
///
/// /// A ledger in this process, for one scope.
/// struct InProcess(Mutex<LedgerState>, Instant);
///
/// impl LedgerClient for InProcess {
///     async fn exchange(&self, _: ScopeName, exchange: &Exchange) -> Result<Reply, Unreachable> {
///         Ok(self.0.lock().unwrap().exchange(exchange, self.1.elapsed()))
///     }
/// }
///
/// let ledger = InProcess(Mutex::default(), Instant::now());
/// let fleet = LedgerFleet::new(ledger).lease(Duration::from_secs(5)).processes(16);
/// let layer = RetryLayer::new(providers::wolfeo()).fleet(fleet.clone());
/// # let _ = layer;
/// ```
pub struct LedgerFleet<L> {
    client: Arc<L>,
    settings: LeaseSettings,
    /// What is mixed into the names of scopes, if other processes do not share the secret.
    local: Option<u128>,
    has_secret: bool,
    /// The members by scope: two gates of one scope are one member.
    members: Arc<Mutex<HashMap<ScopeName, Weak<SharedMember<L>>>>>,
}

#[derive(Clone, Copy, Debug)]
struct LeaseSettings {
    lease: Duration,
    timeout: Duration,
    processes: u32,
    when_away: Away,
}

/// What a member sends while its ledger is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Away {
    /// Its share of each declared quota: the limit by the number of processes that were known last.
    #[default]
    Share,
    /// Nothing but what was granted before: for providers that ban keys.
    Nobody,
}

/// What one member of a [`LedgerFleet`] is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Whose quotas it shares.
    pub scope: Scope,
    /// How many members hold a lease, as far as is known; 0 if the ledger was never reached.
    pub members: u32,
    /// For how long the ledger has been away. `None` while it is reached.
    pub alone_for: Option<Duration>,
    /// How much of the quotas was free at the last exchange.
    pub free: u32,
}

impl<L: LedgerClient> LedgerFleet<L> {
    /// Creates a fleet whose members exchange with this ledger.
    pub fn new(client: L) -> Self {
        Self {
            client: Arc::new(client),
            settings: LeaseSettings {
                lease: Duration::from_secs(5),
                timeout: Duration::from_millis(250),
                processes: 10,
                when_away: Away::Share,
            },
            local: None,
            has_secret: false,
            members: Arc::default(),
        }
    }

    /// Sets the secret under which credentials and scopes are named. All processes have the same; see
    /// [`Scope::hash_with`].
    ///
    /// Without one the members share with no other process, and a warning says so.
    ///
    /// Say it before the first call of the process. Where the process has hashed under another secret, the members share
    /// with no other process, and a warning is logged.
    #[must_use]
    pub fn secret(mut self, secret: &[u8]) -> Self {
        self.has_secret = true;
        if !Scope::hash_with(secret) {
            log::on_other_secret();
            let random = Rng::default();
            self.local = Some(u128::from(random.bits()) << 64 | u128::from(random.bits()));
        }
        self
    }

    /// Sets for how long a process that is not heard of keeps what was granted to it.
    ///
    /// # Default
    ///
    /// 5 seconds.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// Sets after how long without a reply the ledger is away.
    ///
    /// # Default
    ///
    /// 250 milliseconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets how many processes there are, as far as is guessed before the ledger is reached for the first time.
    ///
    /// Until then each of them keeps to its share. With too low a number they overspend if the ledger is away from the
    /// start.
    ///
    /// # Default
    ///
    /// 10.
    #[must_use]
    pub fn processes(mut self, processes: u32) -> Self {
        self.settings.processes = processes.max(1);
        self
    }

    /// Sets what is sent while the ledger is away.
    ///
    /// # Default
    ///
    /// [`Away::Share`].
    #[must_use]
    pub fn when_away(mut self, away: Away) -> Self {
        self.settings.when_away = away;
        self
    }

    /// Returns what each member of this process is doing, one for each scope.
    pub fn status(&self) -> Vec<MemberStatus> {
        let now = Clock::default().now();
        let members = lock(&self.members);
        let alive = members.values().filter_map(Weak::upgrade);
        alive.map(|member| member.status(now)).collect()
    }

    /// Gives back what the members hold, before the process ends.
    ///
    /// Otherwise it counts as sent until its lease is over. Calls that are sent afterwards keep to the share of one
    /// process.
    pub async fn leave(&self) {
        let members: Vec<_> = lock(&self.members)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        members.iter().for_each(|member| member.begin_to_leave());
        for member in members {
            member.leave().await;
        }
    }

    /// Returns the connection to the ledger.
    pub fn client(&self) -> &L {
        &self.client
    }

    /// Changes the connection to the ledger, before any gate has joined.
    #[must_use]
    pub fn map_client(mut self, change: impl FnOnce(L) -> L) -> Self
    where
        L: Clone,
    {
        self.client = Arc::new(change((*self.client).clone()));
        self
    }
}

impl<L> Clone for LedgerFleet<L> {
    fn clone(&self) -> Self {
        Self {
            client: Arc::clone(&self.client),
            settings: self.settings,
            local: self.local,
            has_secret: self.has_secret,
            members: Arc::clone(&self.members),
        }
    }
}

impl<L> fmt::Debug for LedgerFleet<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.settings;
        f.debug_struct("LedgerFleet")
            .field("lease", &settings.lease)
            .field("timeout", &settings.timeout)
            .field("processes", &settings.processes)
            .field("when_away", &settings.when_away)
            .finish_non_exhaustive()
    }
}

impl<L: LedgerClient> Fleet for LedgerFleet<L> {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        let mut members = lock(&self.members);
        members.retain(|_, member| member.strong_count() > 0);
        let name = joining.name.mixed_with(self.local.unwrap_or_default());
        let known = members.get(&name).and_then(Weak::upgrade);
        let shared = known.filter(|member| member.try_use()).unwrap_or_else(|| {
            if !self.has_secret {
                log::on_no_secret(joining.scope);
            }
            let now = Clock::default().now();
            let id = Rng::default().bits();
            let state = MemberState::new(self.settings, id, joining.windows, now);
            let member = Arc::new(SharedMember {
                client: Arc::clone(&self.client),
                name,
                scope: joining.scope.clone(),
                state: Mutex::new(state),
                gates: Mutex::default(),
                changed: Notify::new(),
                left: Notify::new(),
                is_running: AtomicBool::new(false),
                users: AtomicUsize::new(1),
                timeout: self.settings.timeout,
            });
            members.insert(name, Arc::downgrade(&member));
            let hears: Arc<dyn HearsClosings> = Arc::clone(&member) as _;
            let listener = ClosingListener::new(&hears);
            self.client.on_closing(name, listener);
            member
        });
        drop(members);
        if shared.state().leads() {
            joining.gate.set_leading(true);
        }
        lock(&shared.gates).push(joining.gate);
        shared.run();
        Box::new(LeasingMember(shared))
    }
}

#[cfg(all(test, not(model)))]
mod tests;
