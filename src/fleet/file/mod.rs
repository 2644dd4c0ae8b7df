//! A ledger in a file: for processes of one machine, and for runs one after the other.
//!
//! A cooldown of an hour survives a restart, and a process that crashed blocks no other. The file must not lie on a
//! network file system: its locks are not to be relied on.

mod status;
mod store;
mod worker;

use std::io;
use std::path::Path;

pub use self::status::{ScopeStatus, status};

use self::store::Store;
use self::worker::Worker;
use super::LedgerFleet;
use super::ScopeName;
use super::ledger::{Exchange, LedgerClient, Reply, Unreachable};

/// Opens a ledger that processes of one machine share through this file. It is created when it is first written.
///
/// Two files lie beside it: one whose name ends in `.lock`, and one in `.key` with the secret under which scopes are
/// named. To share that in another way, call [`LedgerFleet::secret`] on [`open_with`].
///
/// ```
/// use tower_backoff::fleet::file;
/// use tower_backoff::{RetryLayer, providers};
///
/// # let folder = std::env::temp_dir().join(format!("tower-backoff-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("limits");
/// let ledger = file::open(path)?;
/// let layer = RetryLayer::new(providers::wolfeo()).fleet(ledger);
/// # let _ = layer;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// If the secret can be neither read nor created, such as in a folder that does not exist.
pub fn open(path: impl AsRef<Path>) -> io::Result<LedgerFleet<FileLedger>> {
    let store = Store::at(path.as_ref());
    let secret = store.secret()?;
    Ok(LedgerFleet::new(FileLedger::over(store)).secret(&secret))
}

/// Opens a ledger in a file whose processes have this secret in common.
pub fn open_with(path: impl AsRef<Path>, secret: &[u8]) -> LedgerFleet<FileLedger> {
    LedgerFleet::new(FileLedger::over(Store::at(path.as_ref()))).secret(secret)
}

/// A ledger in a file, as one process sees it; see [`open`].
#[derive(Debug)]
pub struct FileLedger(Worker);

impl FileLedger {
    fn over(store: Store) -> Self {
        Self(Worker::over(store))
    }
}

impl LedgerClient for FileLedger {
    async fn exchange(&self, scope: ScopeName, exchange: &Exchange) -> Result<Reply, Unreachable> {
        self.0.exchange(scope, exchange.clone()).await
    }
}
