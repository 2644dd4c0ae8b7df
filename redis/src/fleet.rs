//! What a user builds: a fleet whose ledger is in Redis.

use std::fmt;
use std::time::Duration;

use tower_backoff::fleet::{Away, Fleet, Joining, LedgerFleet, Member, MemberStatus};

use crate::InvalidUrl;
use crate::connection::{RedisConnection, RunScript};
use crate::ledger::RedisLedger;

/// Processes that share their quotas through Redis or Valkey.
///
/// A clone is the same member: give it to each layer of the process.
///
/// # Default
///
/// | setting | default |
/// |---|---|
/// | [`secret`](Self::secret) | none: required if other processes are to share |
/// | [`processes`](Self::processes) | 10 |
/// | [`lease`](Self::lease) | 5 s |
/// | [`timeout`](Self::timeout) | 250 ms |
/// | [`prefix`](Self::prefix) | `tb` |
/// | [`when_away`](Self::when_away) | [`Away::Share`] |
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::fleet::Away;
/// use tower_backoff_redis::Ledger;
///
/// # let key = b"the same bytes in all processes";
/// let ledger = Ledger::new("redis://127.0.0.1:6379")?
///     .secret(key)
///     .processes(16)
///     .lease(Duration::from_secs(5))
///     .timeout(Duration::from_millis(250))
///     .prefix("tb")
///     .when_away(Away::Share);
/// assert!(ledger.status().is_empty(), "no call has begun");
/// # Ok::<_, tower_backoff_redis::InvalidUrl>(())
/// ```
pub struct Ledger<C = RedisConnection> {
    fleet: LedgerFleet<RedisLedger<C>>,
}

impl Ledger {
    /// Creates a ledger on the server at this address, such as `redis://127.0.0.1:6379`.
    ///
    /// It does not wait for the server, and does not fail because it is away. `rediss://` needs the feature `rustls`.
    ///
    /// # Errors
    ///
    /// If the address cannot be read.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        let fleet = LedgerFleet::new(RedisLedger::new(url)?);
        Ok(Self { fleet })
    }

    /// Creates a ledger on a server whose certificate this one has signed, in PEM; no other is trusted.
    ///
    /// [`new`](Self::new) trusts those of the system.
    ///
    /// # Errors
    ///
    /// If the address cannot be read, or the certificate is damaged.
    #[cfg(feature = "rustls")]
    pub fn with_root_certificate(url: &str, pem: &[u8]) -> Result<Self, InvalidUrl> {
        let fleet = LedgerFleet::new(RedisLedger::with_root_certificate(url, pem)?);
        Ok(Self { fleet })
    }

    /// Sets for how long connecting and a reply may take, before the server counts as away.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        let fleet = self.fleet.timeout(timeout);
        Self {
            fleet: fleet.map_client(|client| client.timeout(timeout)),
        }
    }
}

impl<C: RunScript> Ledger<C> {
    /// Creates a ledger over a connection of your own, such as one of a pool or of a cluster.
    pub fn over(connection: C) -> Self {
        let fleet = LedgerFleet::new(RedisLedger::over(connection));
        Self { fleet }
    }

    /// Sets the secret under which credentials and scopes are named: the same bytes in all processes.
    ///
    /// Say it before the first call of the process; see [`Scope::hash_with`](tower_backoff::Scope::hash_with).
    #[must_use]
    pub fn secret(self, secret: impl AsRef<[u8]>) -> Self {
        Self {
            fleet: self.fleet.secret(secret.as_ref()),
        }
    }

    /// Sets how many processes there are, as far as is guessed before the server is reached for the first time.
    ///
    /// Too low a number overspends if the server is away from the start.
    #[must_use]
    pub fn processes(self, processes: u32) -> Self {
        Self {
            fleet: self.fleet.processes(processes),
        }
    }

    /// Sets for how long a process that is not heard of keeps what was granted to it.
    #[must_use]
    pub fn lease(self, lease: Duration) -> Self {
        Self {
            fleet: self.fleet.lease(lease),
        }
    }

    /// Sets what the names of its keys start with. Ledgers with other prefixes share nothing.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self {
            fleet: self.fleet.map_client(|client| client.prefix(prefix)),
        }
    }

    /// Sets what is sent while the server is away.
    #[must_use]
    pub fn when_away(self, away: Away) -> Self {
        Self {
            fleet: self.fleet.when_away(away),
        }
    }

    /// Returns what each member of this process is doing, one for each scope.
    pub fn status(&self) -> Vec<MemberStatus> {
        self.fleet.status()
    }

    /// Gives back what the members of this process hold, before it ends.
    pub async fn leave(&self) {
        self.fleet.leave().await;
    }
}

impl<C: RunScript> Fleet for Ledger<C> {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        self.fleet.join(joining)
    }
}

impl<C> Clone for Ledger<C> {
    fn clone(&self) -> Self {
        Self {
            fleet: self.fleet.clone(),
        }
    }
}

impl<C> fmt::Debug for Ledger<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Ledger").field(&self.fleet).finish()
    }
}
