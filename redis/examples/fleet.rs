//! Processes share a quota through Redis.
//!
//! ```text
//! cargo run -p tower-backoff-redis --example fleet                           # starts redis-server
//! cargo run -p tower-backoff-redis --example fleet redis://127.0.0.1:6379    # uses this server
//! ```
//!
//! Four copies of this program call one API, first each by itself, and then with one ledger.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tower_backoff::BoxError;
use tower_backoff_fleet_demo::{Member, Plan, Shares, play, print_table};
use tower_backoff_redis::Ledger;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if let Some(member) = Member::from_args() {
        let layer = match &member.shares {
            Shares::Nothing => Member::layer(),
            Shares::Ledger(url) => Member::layer().fleet(Ledger::new(url)?.secret("a demo")),
        };
        return member.work(layer).await;
    }
    let plan = Plan::from_args();
    let server = match std::env::args().find(|word| word.contains("://")) {
        Some(url) => Server { url, process: None },
        None => Server::start()?,
    };
    let alone = play("each by itself", plan, &Shares::Nothing).await?;
    let shared = play(
        "with a ledger in Redis",
        plan,
        &Shares::Ledger(server.url.clone()),
    )
    .await?;
    print_table(&[
        ("each by itself", alone),
        ("with a ledger in Redis", shared),
    ]);
    Ok(())
}

/// A server on a free port that keeps nothing on disk, until it is dropped.
struct Server {
    url: String,
    process: Option<Child>,
}

impl Server {
    fn start() -> Result<Self, BoxError> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let start = |program: &str| {
            Command::new(program)
                .args([
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--port",
                    &port.to_string(),
                ])
                .stdout(Stdio::null())
                .spawn()
        };
        let process = start("redis-server").or_else(|_| start("valkey-server"));
        let process = process.map_err(|_| "install a server: apt-get install redis-server")?;
        let server = Self {
            url: format!("redis://127.0.0.1:{port}"),
            process: Some(process),
        };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the server does not start".into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
