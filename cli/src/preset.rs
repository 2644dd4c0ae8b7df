//! A preset as Rust code: what recorded responses have shown of a server, and nothing else.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use tower_backoff::LearnedLimit;
use tower_backoff::hint::{self, Hint, Kind, Reading};

use crate::belief::Recorded;

/// Headers by which servers name the bucket that counts a call.
const BUCKETS: [&str; 2] = ["x-ratelimit-bucket", "x-ratelimit-resource"];
/// Their waits concern one call, or the layer reads them without being told.
const KNOWN: [u16; 6] = [408, 409, 413, 423, 425, 429];

/// The facts that a preset is written from.
#[derive(Debug, Default)]
pub(crate) struct Preset {
    name: String,
    responses: usize,
    limit: Option<LearnedLimit>,
    /// Statuses that mean a block, and the longest wait that was named.
    blocks: BTreeMap<u16, Duration>,
    buckets: Option<&'static str>,
    has_bare_429: bool,
}

impl Preset {
    pub(crate) fn of(name: &str, recorded: &Recorded) -> Self {
        let mut preset = Self {
            name: name.to_owned(),
            responses: recorded.len(),
            ..Self::default()
        };
        for (_, response) in recorded {
            let headers = response.headers();
            let received = crate::belief::date(response).unwrap_or_else(SystemTime::now);
            preset.add(response.status(), headers, received);
        }
        preset
    }

    pub(crate) fn with_limit(self, limit: LearnedLimit) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    fn add(&mut self, status: StatusCode, headers: &HeaderMap, received: SystemTime) {
        let named = BUCKETS.into_iter().find(|name| headers.contains_key(*name));
        self.buckets = self.buckets.or(named);
        let reading = hint::read(status, headers, received);
        let is_known = KNOWN.contains(&status.as_u16());
        match reading {
            Reading::Nothing => self.has_bare_429 |= status == StatusCode::TOO_MANY_REQUESTS,
            Reading::Wait(hint) if status.is_client_error() && !is_known => {
                self.add_block(status, &hint);
            }
            _ => {}
        }
    }

    fn add_block(&mut self, status: StatusCode, hint: &Hint) {
        if hint.kind() == Kind::RetryAfter {
            let longest = self.blocks.entry(status.as_u16()).or_default();
            *longest = hint.wait().max(*longest);
        }
    }

    /// The name of the function.
    fn function(&self) -> String {
        let letters = self.name.chars().map(|letter| match letter {
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
            _ => '_',
        });
        let name: String = letters.collect();
        if name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            name
        } else {
            format!("api_{name}")
        }
    }
}

impl Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = self.limit.map(|limit| limit.window);
        let needs_durations = window.flatten().is_some() || !self.blocks.is_empty();
        if needs_durations {
            writeln!(f, "use std::time::Duration;\n")?;
        }
        let quota = if window.is_some() {
            "{Quota, policy::Provider}"
        } else {
            "policy::Provider"
        };
        writeln!(f, "use tower_backoff::{quota};\n")?;
        writeln!(f, "/// What {} responses have shown.", self.responses)?;
        writeln!(f, "pub fn {}() -> Provider {{", self.function())?;
        write!(f, "    Provider::new({:?})", self.name)?;
        if let Some(limit) = self.limit {
            writeln!(
                f,
                "\n        // Learned: {limit}. What its page says is better."
            )?;
            match limit.window {
                Some(window) => write!(
                    f,
                    "        .plan(Quota::new({}, {}))",
                    limit.calls,
                    Code(window)
                )?,
                None => write!(f, "        .plan(Quota::concurrent({}))", limit.calls)?,
            }
        }
        if let Some(name) = self.buckets {
            writeln!(
                f,
                "\n        // A refusal concerns the bucket that it names."
            )?;
            write!(f, "        .buckets_in({name:?})")?;
        }
        for (status, wait) in &self.blocks {
            let wait = Code(*wait);
            writeln!(f, "\n        // A {status} that named a wait.")?;
            write!(f, "        .throttled_on([{status}], {wait})")?;
        }
        if self.has_bare_429 {
            let default = "A 429 named no wait: the layer waits 60 s, unless `bare_429_wait` says";
            write!(f, "\n        // {default} otherwise.")?;
        }
        write!(f, "\n}}")
    }
}

/// A duration as Rust code, rounded up.
///
/// A window is learned with its round trips, so that a tenth of a second above a round number is none.
struct Code(Duration);

impl Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = if self.0 < Duration::from_secs(5) {
            100
        } else {
            1_000
        };
        let millis = self.0.as_millis().saturating_sub(100).max(1);
        let millis = millis.next_multiple_of(step);
        if millis % 1_000 == 0 {
            write!(f, "Duration::from_secs({})", millis / 1_000)
        } else {
            write!(f, "Duration::from_millis({millis})")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn response(status: u16, headers: &[(&str, &str)]) -> (Duration, Response<Vec<u8>>) {
        let response = Response::builder().status(status);
        let add = |response: http::response::Builder, header: &(&str, &str)| {
            response.header(header.0, header.1)
        };
        let response = headers.iter().fold(response, add).body(Vec::new());
        (Duration::ZERO, response.expect("a response"))
    }

    #[test]
    fn a_status_that_named_a_wait_means_a_block() {
        let recorded = vec![
            response(403, &[("retry-after", "20")]),
            response(403, &[("retry-after", "300")]),
            response(403, &[]),
            response(409, &[("retry-after", "5")]),
            response(429, &[]),
        ];
        let written = Preset::of("2 go", &recorded).to_string();
        assert!(written.contains("pub fn api_2_go() -> Provider {"));
        assert_eq!(written.matches("throttled_on").count(), 1, "{written}");
        assert!(written.contains(".throttled_on([403], Duration::from_secs(300))"));
        assert!(written.contains("// A 429 named no wait: the layer waits 60 s"));
        assert!(!written.contains("Quota"), "{written}");
    }

    #[test]
    fn a_learned_window_is_rounded_up() {
        let code = |millis| Code(Duration::from_millis(millis)).to_string();
        assert_eq!(code(10_050), "Duration::from_secs(10)");
        assert_eq!(code(10_150), "Duration::from_secs(11)");
        assert_eq!(code(1_980), "Duration::from_millis(1900)");
        assert_eq!(code(2_050), "Duration::from_secs(2)");
    }
}
