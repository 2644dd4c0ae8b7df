//! A ledger in Redis, as a member sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use tower_backoff::fleet::ScopeName;
use tower_backoff::fleet::ledger::{ClosingListener, Exchange, LedgerClient, Reply, Unreachable};

use crate::InvalidUrl;
use crate::connection::{RedisConnection, RunScript, garbled};
use crate::script::{self, ScriptCall};

/// A ledger in Redis or Valkey: all members with the same server, prefix and secret share it.
///
/// A clone shares the connection.
pub struct RedisLedger<C = RedisConnection> {
    connection: Arc<C>,
    prefix: Arc<str>,
    sha1: Arc<str>,
}

impl RedisLedger {
    /// A ledger on the server at this address, such as `redis://127.0.0.1:6379`.
    ///
    /// Does not wait for the server, and does not fail because it is away.
    ///
    /// # Errors
    ///
    /// If the address cannot be read.
    pub fn new(url: &str) -> Result<Self, InvalidUrl> {
        Ok(Self::over(RedisConnection::new(url)?))
    }

    /// A ledger on a server whose certificate this one has signed, in PEM; no other is trusted.
    ///
    /// # Errors
    ///
    /// If the address cannot be read, or the certificate is damaged.
    #[cfg(feature = "rustls")]
    pub fn with_root_certificate(url: &str, pem: &[u8]) -> Result<Self, InvalidUrl> {
        let connection = RedisConnection::with_root_certificate(url, pem)?;
        Ok(Self::over(connection))
    }

    /// For how long connecting or an answer may take.
    ///
    /// # Default
    ///
    /// 250 ms.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.connection.set_timeout(timeout);
        self
    }
}

impl<C: RunScript> RedisLedger<C> {
    /// A ledger over a connection of your own.
    pub fn over(connection: C) -> Self {
        Self {
            connection: Arc::new(connection),
            prefix: "tb".into(),
            sha1: Script::new(&script::SOURCE).get_hash().into(),
        }
    }

    /// With what the names of its keys start.
    ///
    /// # Default
    ///
    /// `tb`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }
}

impl<C: RunScript> LedgerClient for RedisLedger<C> {
    async fn exchange(&self, scope: ScopeName, exchange: &Exchange) -> Result<Reply, Unreachable> {
        let keys = script::keys(&self.prefix, scope, exchange.windows.len());
        let arguments = script::arguments(exchange);
        let call = ScriptCall {
            source: &script::SOURCE,
            sha1: &self.sha1,
            keys: &keys,
            arguments: &arguments,
        };
        let reply = self.connection.run_script(call).await?;
        script::read(&reply, exchange).ok_or_else(garbled)
    }

    fn on_closing(&self, scope: ScopeName, listener: ClosingListener) {
        let channel = script::channel(&self.prefix, scope);
        self.connection.subscribe(channel, listener);
    }
}

impl<C> Clone for RedisLedger<C> {
    fn clone(&self) -> Self {
        Self {
            connection: Arc::clone(&self.connection),
            prefix: Arc::clone(&self.prefix),
            sha1: Arc::clone(&self.sha1),
        }
    }
}

impl<C> fmt::Debug for RedisLedger<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the connection: its address may hold a password.
        formatter
            .debug_struct("RedisLedger")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
