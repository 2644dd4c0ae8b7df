//! What the file of a ledger says, for programs that watch a fleet from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::scope::checksum;

/// A file of more bytes was not written by a ledger.
const MOST_BYTES: u64 = 64 << 20;

/// What the file of a ledger says of one scope; see [`status`].
///
/// Counts are those of the last exchange that a process had about this scope. The file holds no limits: each process
/// declares its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeStatus {
    /// The name under which the processes share the scope, in 32 hexadecimal digits.
    pub name: String,
    /// How much longer the scope is closed, if it is.
    pub closed_for: Option<Duration>,
    /// How many members hold a lease, which are those that were heard of a few seconds ago.
    pub members: usize,
    /// How much is granted to members that have not settled it.
    ///
    /// These are calls in flight, and calls that the members may send.
    pub lent: u64,
    /// How much was settled in each declared window, in the order of the windows.
    pub settled: Vec<u64>,
    /// The limit that a refusal has taught, which takes the place of the declared one for ten windows.
    pub learned_limit: Option<u64>,
    /// What is free of the quota that the server publishes, if it publishes one.
    pub free: Option<u64>,
    /// When that quota is filled up again.
    pub resets_in: Option<Duration>,
}

/// Reads the state of all scopes from the file of a ledger that processes share.
///
/// It takes no lock and writes nothing, so that a fleet can be watched while it runs.
///
/// ```
/// use tower_backoff::fleet::file;
///
/// # let folder = std::env::temp_dir().join(format!("tower-backoff-status-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("limits");
/// # assert!(file::status(&path).is_err());
/// # let status = |_: &std::path::Path| Ok::<_, std::io::Error>(Vec::<file::ScopeStatus>::new());
/// # /* No process has written the file of this example.
/// for scope in file::status(&path)? {
/// # */
/// # for scope in status(&path)? {
///     println!("{}: closed for {:?}, {} members", scope.name, scope.closed_for, scope.members);
/// }
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the file cannot be read, or no ledger has written it.
pub fn status(path: impl AsRef<Path>) -> io::Result<Vec<ScopeStatus>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    status_in(&bytes, wall.unwrap_or_default()).ok_or_else(no_ledger)
}

fn no_ledger() -> io::Error {
    let reason = "it is no file of a ledger, or of another version of tower-backoff";
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn status_in(bytes: &[u8], wall: Duration) -> Option<Vec<ScopeStatus>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, json) = (&bytes[..end], &bytes[end + 1..]);
    let expected = format!("tower-backoff ledger 1 {}", checksum(json));
    if line != expected.as_bytes() {
        return None;
    }
    let ledger: SavedLedger = serde_json::from_slice(json).ok()?;
    let now = wall.saturating_add(ledger.ahead).max(ledger.written_at);
    let now = now.as_micros() as u64;
    let scopes = ledger.scopes.into_iter();
    Some(
        scopes
            .map(|(name, scope)| scope.status(name, now))
            .collect(),
    )
}

/// The parts of the file that are shown. Times are microseconds of the ledger's clock.
#[derive(Deserialize)]
struct SavedLedger {
    ahead: Duration,
    written_at: Duration,
    scopes: BTreeMap<String, SavedScope>,
}

#[derive(Deserialize)]
struct SavedScope {
    /// The first counts costs.
    accounts: Vec<SavedAccount>,
    logs: Vec<SavedLog>,
    members: SavedMembers,
    cooldown: SavedCooldown,
    published: Option<SavedQuota>,
}

#[derive(Deserialize)]
struct SavedAccount {
    lent: u64,
}

#[derive(Deserialize)]
struct SavedLog {
    sum: u64,
}

#[derive(Deserialize)]
struct SavedMembers {
    leases: BTreeSet<(u64, u64)>,
}

#[derive(Deserialize)]
struct SavedCooldown {
    until: u64,
    cap: Option<SavedCap>,
}

#[derive(Deserialize)]
struct SavedCap {
    limit: u64,
}

#[derive(Deserialize)]
struct SavedQuota {
    left: u64,
    resets_at: u64,
    is_over: bool,
}

impl SavedScope {
    fn status(self, name: String, now: u64) -> ScopeStatus {
        let ahead = |moment: u64| {
            let micros = moment.checked_sub(now).filter(|micros| *micros > 0)?;
            Some(Duration::from_micros(micros))
        };
        let leases = self.members.leases.iter();
        let published = self.published.as_ref();
        ScopeStatus {
            name,
            closed_for: ahead(self.cooldown.until),
            members: leases.filter(|(until, _)| *until > now).count(),
            lent: self.accounts.first().map_or(0, |account| account.lent),
            settled: self.logs.iter().map(|log| log.sum).collect(),
            learned_limit: self.cooldown.cap.map(|cap| cap.limit),
            free: published.map(|quota| quota.left),
            resets_in: published
                .filter(|quota| !quota.is_over)
                .and_then(|quota| ahead(quota.resets_at)),
        }
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;
    use crate::fleet::file::store::Store;
    use crate::fleet::ledger::{Counter, Exchange, MemberAccount, ScopeClosing};
    use crate::scope::ScopeName;

    /// What a store has written after one exchange of one member.
    fn written(test: &str, exchange: Exchange) -> io::Result<Vec<ScopeStatus>> {
        let name = format!("tower-backoff-status-{}-{test}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join("limits");
        let exchanges = std::iter::once((ScopeName([7; 16]), &exchange));
        Store::at(&path).exchange(exchanges)?;
        let found = status(&path);
        std::fs::remove_dir_all(folder)?;
        found
    }

    fn exchange() -> Exchange {
        Exchange {
            member: 1,
            sequence: 1,
            lease: Duration::from_secs(5),
            accounts: vec![MemberAccount::default()],
            ..Exchange::default()
        }
    }

    #[test]
    fn the_file_of_a_store_says_who_is_there_and_what_is_closed() {
        let closing = ScopeClosing {
            remaining: Duration::from_secs(60),
            is_refusal: true,
            age: Duration::ZERO,
        };
        let closed = Exchange {
            closing: Some(closing),
            ..exchange()
        };
        let scopes = written("closed", closed).unwrap();
        let [scope] = &scopes[..] else {
            panic!("{scopes:?}");
        };
        assert_eq!(scope.name, "07".repeat(16));
        assert_eq!(scope.members, 1);
        let closed_for = scope.closed_for.expect("it is closed").as_secs();
        assert!((55..=60).contains(&closed_for), "{closed_for} s");
        assert_eq!(scope.free, None);
    }

    #[test]
    fn what_is_left_of_a_published_quota_is_free() {
        let counter = Counter {
            limit: 100,
            remaining: 40,
            resets_in: Duration::from_secs(30),
            settled_by_all: 0,
            cost: 1,
            age: Duration::ZERO,
        };
        let counted = Exchange {
            counter: Some(counter),
            ..exchange()
        };
        let scopes = written("counted", counted).unwrap();
        assert_eq!((scopes[0].free, scopes[0].closed_for), (Some(40), None));
        assert!(scopes[0].resets_in.is_some());
    }

    #[test]
    fn a_file_of_another_kind_is_an_error() {
        for bytes in [&b""[..], b"{}\n", b"tower-backoff ledger 1 0\n{}"] {
            assert_eq!(status_in(bytes, Duration::ZERO), None);
        }
    }
}
