//! A server of Redis or Valkey on a free port of this machine, for one test.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use redis::{Client, Connection};

/// It is stopped, and its folder deleted, when it is dropped.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    port: u16,
}

/// Starts a server with further arguments. `None` if there is none to start and that is accepted.
///
/// # Panics
///
/// If no server is installed and `TOWER_BACKOFF_SKIP_REDIS` is not set.
pub(crate) fn start(arguments: &[&str]) -> Option<Server> {
    start_on(free_port(), arguments)
}

/// Starts a server that may not know these arguments: then it ends, and there is none.
#[cfg(feature = "rustls")]
pub(crate) fn try_start(arguments: &[&str]) -> Option<Server> {
    let mut server = spawn(free_port(), arguments)?;
    server.wait().then_some(server)
}

pub(crate) fn free_port() -> u16 {
    // The nodes of a cluster talk at a port that is 10,000 higher.
    let free = (0..1_000).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = free.map(|free| free.local_addr().unwrap().port());
    { ports }.find(|port| *port < 55_000).unwrap()
}

pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Option<Server> {
    let mut server = spawn(port, arguments)?;
    assert!(server.wait(), "the server does not start");
    Some(server)
}

fn spawn(port: u16, arguments: &[&str]) -> Option<Server> {
    static SERVERS: AtomicU32 = AtomicU32::new(0);
    let number = SERVERS.fetch_add(1, Ordering::Relaxed);
    let name = format!("tower-backoff-redis-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let started = ["redis-server", "valkey-server"]
        .into_iter()
        .find_map(|program| {
            Command::new(program)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no"])
                .arg("--dir")
                .arg(&folder)
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        });
    let Some(process) = started else {
        let _ = std::fs::remove_dir_all(&folder);
        assert!(
            std::env::var_os("TOWER_BACKOFF_SKIP_REDIS").is_some(),
            "install a server with `apt-get install redis-server` or `brew install redis`, \
             or set TOWER_BACKOFF_SKIP_REDIS=1 to skip this test"
        );
        return None;
    };
    Some(Server {
        process,
        folder,
        port,
    })
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection beside that of the ledger.
    pub(crate) fn connection(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Sends a command, and returns its reply.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut self.connection()).unwrap()
    }

    /// Gives these slots of a cluster to the server, as Redis 6.2 can, too.
    pub(crate) fn take_slots(&self, slots: std::ops::RangeInclusive<u16>) {
        let mut command = redis::cmd("CLUSTER");
        command.arg("ADDSLOTS").arg(slots.collect::<Vec<_>>());
        command.query::<()>(&mut self.connection()).unwrap();
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Waits until it listens. Whether it does.
    fn wait(&mut self) -> bool {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let has_ended = matches!(self.process.try_wait(), Ok(Some(_)));
            if has_ended || started.elapsed() > Duration::from_secs(10) {
                return false;
            }
            sleep(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
