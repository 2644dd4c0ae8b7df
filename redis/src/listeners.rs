//! Who is told of the closings that are published on the channels of a server.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{PushInfo, PushKind, Value};
use tower_backoff::fleet::ledger::ClosingListener;

/// The listeners by channel.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    by_channel: Mutex<HashMap<String, ClosingListener>>,
    /// Grows with each change.
    changes: AtomicU64,
}

impl Listeners {
    /// Adds one, and forgets those whose members are gone.
    pub(crate) fn add(&self, channel: String, listener: ClosingListener) {
        let mut listeners = self.lock();
        listeners.retain(|_, listener| listener.is_alive());
        listeners.insert(channel, listener);
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// How often the channels have changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    pub(crate) fn channels(&self) -> HashSet<String> {
        self.lock().keys().cloned().collect()
    }

    /// What a connection calls with each message that is pushed to it.
    pub(crate) fn sender(self: &Arc<Self>) -> impl Fn(PushInfo) -> Result<(), ()> + use<> {
        let listeners = Arc::clone(self);
        move |push| {
            listeners.on_push(&push);
            Ok(())
        }
    }

    fn on_push(&self, push: &PushInfo) {
        let Some((channel, micros)) = closing(push) else {
            return;
        };
        let listener = self.lock().get(channel).cloned();
        if let Some(listener) = listener {
            listener.on_closing(Duration::from_micros(micros));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, ClosingListener>> {
        self.by_channel
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The channel of a message, and for how many microseconds it says that a scope is closed.
fn closing(push: &PushInfo) -> Option<(&str, u64)> {
    let [Value::BulkString(channel), Value::BulkString(micros)] = push.data.as_slice() else {
        return None;
    };
    if push.kind != PushKind::Message {
        return None;
    }
    let channel = std::str::from_utf8(channel).ok()?;
    let micros = std::str::from_utf8(micros).ok()?.parse().ok()?;
    Some((channel, micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(data: &[&str]) -> PushInfo {
        let data = data
            .iter()
            .map(|text| Value::BulkString(text.as_bytes().to_vec()));
        PushInfo {
            kind: PushKind::Message,
            data: data.collect(),
        }
    }

    #[test]
    fn only_a_message_with_a_length_is_a_closing() {
        let read = |data: &[&str]| {
            closing(&push(data)).map(|(channel, micros)| (channel.to_owned(), micros))
        };
        assert_eq!(
            read(&["tb2:{a}:c", "1500"]),
            Some(("tb2:{a}:c".to_owned(), 1_500))
        );
        assert_eq!(read(&["tb2:{a}:c"]), None);
        assert_eq!(read(&["tb2:{a}:c", "-1"]), None);
        assert_eq!(read(&["tb2:{a}:c", "soon"]), None);
        let mut other = push(&["tb2:{a}:c", "1500"]);
        other.kind = PushKind::Subscribe;
        assert_eq!(closing(&other), None);
    }
}
