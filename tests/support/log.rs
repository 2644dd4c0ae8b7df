//! A log that can be read back.

use std::sync::{Arc, Mutex};

/// A writer that keeps what the log says.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Listens for as long as the guard lives, to all that is promised: spans are for `debug`.
    pub fn listen(&self) -> tracing::subscriber::DefaultGuard {
        self.listen_to(tracing::Level::DEBUG)
    }

    /// Listens to this level. Below `debug` there are no spans, so that calls take the fast path.
    pub fn listen_to(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// All that was written.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}
