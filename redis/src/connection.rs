//! One connection to the server, made anew with the next try after it broke.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, IntoConnectionInfo, ProtocolVersion, RedisError,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tower_backoff::fleet::ledger::{ClosingListener, Unreachable};

use crate::InvalidUrl;
use crate::listeners::Listeners;
use crate::script::ScriptCall;

/// What a ledger needs of a connection: it runs a script.
///
/// Implement it for a connection of your own, such as one of a pool or of another driver.
pub trait RunScript: Send + Sync + 'static {
    /// Runs a script, and loads it first if the server does not have it. Its reply is a list of integers.
    fn run_script(
        &self,
        call: ScriptCall<'_>,
    ) -> impl Future<Output = Result<Vec<i64>, Unreachable>> + Send;

    /// Tells the listener what is published on this channel: for how many microseconds a scope is closed.
    ///
    /// It is a hint, and each reply says it, too. The default does nothing.
    fn subscribe(&self, channel: String, listener: ClosingListener) {
        let _ = (channel, listener);
    }
}

/// One connection per process, shared by all scopes.
///
/// It is made with the first exchange and, after it broke, with the next one. Connecting and each answer take at most
/// 250 ms, if nothing else is set.
pub struct RedisConnection {
    client: Client,
    timeout_micros: AtomicU64,
    current: Mutex<Current>,
    listeners: Arc<Listeners>,
}

/// The connection, if there is one, and its number: an exchange that finds it broken may be late.
#[derive(Debug, Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    number: u64,
    /// The channels that it has subscribed to, and how often they had changed then.
    channels: HashSet<String>,
    changes: u64,
}

/// For how long connecting or an answer may take, if nothing else is set.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(250);

impl RedisConnection {
    pub(crate) fn new(url: &str) -> Result<Self, InvalidUrl> {
        Self::with(url, |info| {
            Client::open(info).map_err(|error| InvalidUrl::new(&error))
        })
    }

    /// Trusts this certificate, in PEM, and no other.
    #[cfg(feature = "rustls")]
    pub(crate) fn with_root_certificate(url: &str, pem: &[u8]) -> Result<Self, InvalidUrl> {
        // The client would trust none, and each connection would fail.
        const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
        if !pem.windows(BEGIN.len()).any(|text| text == BEGIN) {
            return Err(InvalidUrl::of_certificate("there is none in the text"));
        }
        Self::with(url, |info| {
            let certificates = redis::TlsCertificates {
                client_tls: None,
                root_cert: Some(pem.to_vec()),
            };
            let client = Client::build_with_tls(info, certificates);
            client.map_err(|error| InvalidUrl::of_certificate(&error.to_string()))
        })
    }

    fn with(
        url: &str,
        open: impl FnOnce(redis::ConnectionInfo) -> Result<Client, InvalidUrl>,
    ) -> Result<Self, InvalidUrl> {
        let info = url.into_connection_info();
        let info = info.map_err(|error| InvalidUrl::new(&error))?;
        // Closings are pushed on the same connection, which RESP3 allows. Redis has it since 6.0.
        let settings = info.redis_settings().clone();
        let info = info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3));
        #[cfg(feature = "rustls")]
        install_cryptography();
        Ok(Self {
            client: open(info)?,
            timeout_micros: AtomicU64::new(TIMEOUT.as_micros() as u64),
            current: Mutex::default(),
            listeners: Arc::default(),
        })
    }

    /// Sets the limit on connecting and on each answer, for connections that are made from now on.
    pub(crate) fn set_timeout(&self, timeout: Duration) {
        let micros = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
        self.timeout_micros.store(micros, Ordering::Relaxed);
    }

    fn timeout(&self) -> Duration {
        Duration::from_micros(self.timeout_micros.load(Ordering::Relaxed))
    }

    /// The connection and its number. At most one is made at a time.
    async fn connected(&self) -> Result<(MultiplexedConnection, u64), Unreachable> {
        let connecting = async {
            let mut current = self.current.lock().await;
            if let Some(connection) = &current.connection {
                return Ok((connection.clone(), current.number));
            }
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(self.timeout()))
                .set_response_timeout(Some(self.timeout()))
                .set_push_sender(self.listeners.sender());
            let client = &self.client;
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            let connection = connection.await.map_err(|error| unreachable(&error))?;
            current.connection = Some(connection.clone());
            current.number += 1;
            current.channels.clear();
            current.changes = 0;
            Ok((connection, current.number))
        };
        let late = || Unreachable::NoConnection("connecting took too long".to_owned());
        timeout(self.timeout(), connecting)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    /// Subscribes to the channels of which this connection does not know yet, and leaves those whose members are gone.
    async fn listen(
        &self,
        connection: &mut MultiplexedConnection,
        number: u64,
    ) -> Result<(), RedisError> {
        let (new, gone) = {
            let mut current = self.current.lock().await;
            let changes = self.listeners.changes();
            if current.number != number || current.changes == changes {
                return Ok(());
            }
            let wanted = self.listeners.channels();
            let new: Vec<_> = wanted.difference(&current.channels).cloned().collect();
            let gone: Vec<_> = current.channels.difference(&wanted).cloned().collect();
            (current.channels, current.changes) = (wanted, changes);
            (new, gone)
        };
        if !new.is_empty() {
            connection.subscribe(&new).await?;
        }
        match gone.is_empty() {
            true => Ok(()),
            false => connection.unsubscribe(&gone).await,
        }
    }

    /// Drops a connection that broke, if it is still the current one.
    async fn disconnect(&self, number: u64) {
        let mut current = self.current.lock().await;
        if current.number == number {
            current.connection = None;
        }
    }
}

/// The client takes the cryptography of the process, and panics while connecting where none is installed.
#[cfg(feature = "rustls")]
fn install_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may install one at the same time: that is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the client: its address may hold a password.
        formatter
            .debug_struct("RedisConnection")
            .field("timeout", &self.timeout())
            .finish_non_exhaustive()
    }
}

impl RunScript for RedisConnection {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        let (mut connection, number) = self.connected().await?;
        // A server that does not allow it says so with each reply, too: closings are heard later then.
        let _ = self.listen(&mut connection, number).await;
        let result = run(&mut connection, call).await;
        if matches!(result, Err(Unreachable::NoConnection(_))) {
            self.disconnect(number).await;
        }
        result
    }

    fn subscribe(&self, channel: String, listener: ClosingListener) {
        self.listeners.add(channel, listener);
    }
}

/// A client of a cluster keeps its connections itself.
#[cfg(feature = "cluster")]
impl RunScript for redis::cluster_async::ClusterConnection {
    async fn run_script(&self, call: ScriptCall<'_>) -> Result<Vec<i64>, Unreachable> {
        run(&mut self.clone(), call).await
    }
}

/// Runs a script by its hash, and loads it if the server does not have it.
async fn run<C: ConnectionLike>(
    connection: &mut C,
    call: ScriptCall<'_>,
) -> Result<Vec<i64>, Unreachable> {
    let mut command = redis::cmd("EVALSHA");
    command.arg(call.sha1).arg(call.keys.len());
    command.arg(call.keys).arg(call.arguments);
    let mut result = reply_of(connection, &command).await;
    if matches!(&result, Err(error) if is(error, ServerErrorKind::NoScript)) {
        let mut load = redis::cmd("SCRIPT");
        load.arg("LOAD").arg(call.source);
        let loaded = reply_of(connection, &load).await;
        loaded.map_err(|error| unreachable(&error))?;
        result = reply_of(connection, &command).await;
    }
    let reply = result.map_err(|error| unreachable(&error))?;
    integers(reply).ok_or_else(garbled)
}

async fn reply_of<C: ConnectionLike>(
    connection: &mut C,
    command: &Cmd,
) -> Result<Value, RedisError> {
    let reply = connection.req_packed_command(command).await?;
    // An error reply may come as a value.
    reply.extract_error()
}

fn integers(reply: Value) -> Option<Vec<i64>> {
    let Value::Array(items) = reply else {
        return None;
    };
    let integer = |item| match item {
        Value::Int(integer) => Some(integer),
        _ => None,
    };
    items.into_iter().map(integer).collect()
}

/// The error of a reply that cannot be read.
pub(crate) fn garbled() -> Unreachable {
    Unreachable::ErrorReply("the reply is not that of a ledger".to_owned())
}

fn is(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}

/// Whether another server is needed, or this one later, or only another command.
fn unreachable(error: &RedisError) -> Unreachable {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly};
    let message = error.to_string();
    match error.kind() {
        ErrorKind::Server(BusyLoading | ClusterDown | MasterDown | Moved | ReadOnly) => {
            Unreachable::NoConnection(message)
        }
        // Before Redis 7.0 the error of a script holds that of its command.
        _ if message.contains(" -READONLY ") => Unreachable::NoConnection(message),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
            Unreachable::ErrorReply(message)
        }
        _ => Unreachable::NoConnection(message),
    }
}
