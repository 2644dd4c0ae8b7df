//! The file of a ledger: locked, read, changed, written anew and renamed.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs4::FileExt;
use serde::{Deserialize, Serialize};

use crate::fleet::ledger::{Exchange, LedgerState, Reply};
use crate::scope::{ScopeName, checksum};

/// A file of more bytes was not written by a ledger.
const MOST_BYTES: u64 = 64 << 20;
/// What was not heard of for so long is forgotten, when there are more scopes than this.
const MANY_SCOPES: usize = 1_024;
const SECRET_BYTES: usize = 32;

/// The paths of a ledger's files.
#[derive(Clone, Debug)]
pub(super) struct Store {
    state: PathBuf,
    new: PathBuf,
    damaged: PathBuf,
    lock: PathBuf,
    key: PathBuf,
}

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    /// How far the ledger's clock is ahead of the wall clock. It grows when the wall clock is set back.
    ahead: Duration,
    /// What the ledger's clock showed when the file was written.
    written_at: Duration,
    scopes: BTreeMap<String, LedgerState>,
}

impl Store {
    pub(super) fn at(path: &Path) -> Self {
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self {
            state: path.to_owned(),
            new: beside(".new"),
            damaged: beside(".damaged"),
            lock: beside(".lock"),
            key: beside(".key"),
        }
    }

    /// Reads the secret beside the file. The first process draws it.
    pub(super) fn secret(&self) -> io::Result<Vec<u8>> {
        let _lock = self.lock()?;
        match fs::read(&self.key) {
            Ok(secret) if secret.len() == SECRET_BYTES => return Ok(secret),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let secret: [u8; SECRET_BYTES] = rand::random();
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.key)?;
        file.write_all(&secret)?;
        Ok(secret.to_vec())
    }

    /// Does all of these exchanges under one lock.
    pub(super) fn exchange<'a>(
        &self,
        exchanges: impl Iterator<Item = (ScopeName, &'a Exchange)>,
    ) -> io::Result<Vec<Reply>> {
        self.exchange_at(exchanges, wall)
    }

    fn exchange_at<'a>(
        &self,
        exchanges: impl Iterator<Item = (ScopeName, &'a Exchange)>,
        wall: impl FnOnce() -> Duration,
    ) -> io::Result<Vec<Reply>> {
        let _lock = self.lock()?;
        let mut contents = self.read()?;
        // Read under the lock: a process that waited for it would set the ledger's clock ahead.
        let now = contents.now(wall());
        let replies = exchanges.map(|(name, exchange)| {
            let state = contents.scopes.entry(name.to_string()).or_default();
            state.exchange(exchange, now)
        });
        let replies = replies.collect();
        contents.tidy(now);
        self.write(&contents)?;
        Ok(replies)
    }

    /// Waits for the lock. A holder that died has lost it.
    fn lock(&self) -> io::Result<File> {
        let file = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock)?;
        FileExt::lock(&file)?;
        Ok(file)
    }

    /// Reads the file. One that is damaged is renamed, and all is begun anew.
    fn read(&self) -> io::Result<Contents> {
        let file = match File::open(&self.state) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contents::default()),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if let Some(contents) = decode(&bytes) {
            return Ok(contents);
        }
        fs::rename(&self.state, &self.damaged)?;
        on_damaged(&self.damaged);
        Ok(Contents::default())
    }

    fn write(&self, contents: &Contents) -> io::Result<()> {
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.new)?;
        file.write_all(&encode(contents)?)?;
        drop(file);
        fs::rename(&self.new, &self.state)
    }
}

impl Contents {
    /// What the ledger's clock shows. It never goes back: what has closed a scope holds for its length at most.
    fn now(&mut self, wall: Duration) -> Duration {
        let now = wall.saturating_add(self.ahead);
        if now < self.written_at {
            self.ahead = self.written_at.saturating_sub(wall);
        }
        self.written_at = self.written_at.max(now);
        self.written_at
    }

    fn tidy(&mut self, now: Duration) {
        if self.scopes.len() > MANY_SCOPES {
            self.scopes.retain(|_, state| !state.is_idle(now));
        }
    }
}

/// One line with the format and a checksum, and the contents.
fn encode(contents: &Contents) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(contents)?;
    let mut bytes = format!("tower-backoff ledger 1 {}\n", checksum(&json)).into_bytes();
    bytes.extend(json);
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Option<Contents> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, json) = bytes.split_at(end);
    let json = json.get(1..)?;
    let expected = format!("tower-backoff ledger 1 {}", checksum(json));
    (line == expected.as_bytes()).then(|| serde_json::from_slice(json).ok())?
}

fn wall() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// Opens files that only their owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true);
    options
}

fn on_damaged(path: &Path) {
    #[cfg(feature = "tracing")]
    tracing::warn!(path = %path.display(), "the file of the fleet's ledger was damaged: it was renamed, and a new one begins");
    #[cfg(not(feature = "tracing"))]
    let _ = path;
}

#[cfg(all(test, not(model)))]
mod tests;
