//! `tower-backoff explain`: what the layer would do with a response.
//!
//! Several responses of one server, in one file after the other or in a file each, are played through a `RetryLayer` in
//! virtual time, one call at a time and each as late as its `Date` says. The last lines are what the gate believes of
//! the limiter after them, and the preset that says the same.
//!
//! With `--json` it reads an array of recorded responses and prints one line of JSON for each, by the preset that
//! `provider` names, if there is one.

use std::fmt::Write as _;
use std::io::Read;
use std::time::{Duration, SystemTime};

use http::{Request, Response};
use serde_json::json;
use tower_backoff::hint::{Hint, Kind, Reading};
use tower_backoff::policy::{Attempt, Policy, Provider, Ruling, Verdict};
use tower_backoff::{BoxError, providers};

use crate::preset::Preset;
use crate::responses::{Recorded, apart, as_curl_prints_it};
use crate::{USAGE, belief};

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), BoxError> {
    let options = Options::from_args(args)?;
    options.policy(None)?; // an unknown name is told before anything is read
    let text = options.read()?;
    if options.json {
        let recorded: Vec<Recorded> = serde_json::from_slice(&text.concat())?;
        for response in recorded {
            println!("{}", options.line_about(&response)?);
        }
    } else {
        print!("{}", options.explain(&text)?);
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    provider: Option<String>,
    /// What the preset is called that is written.
    name: Option<String>,
    now: Option<SystemTime>,
    method: Option<String>,
    json: bool,
    files: Vec<String>,
}

impl Options {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(USAGE);
            match arg.as_str() {
                "--provider" => options.provider = Some(value()?),
                "--name" => options.name = Some(value()?),
                "--now" => options.now = Some(moment(&value()?)?),
                "--method" => options.method = Some(value()?),
                "--json" => options.json = true,
                "-" => options.files.clear(),
                flag if flag.starts_with('-') => return Err(USAGE.into()),
                file => options.files.push(file.to_owned()),
            }
        }
        Ok(options)
    }

    /// The texts of all files, or of standard input.
    fn read(&self) -> Result<Vec<Vec<u8>>, BoxError> {
        if self.files.is_empty() {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text)?;
            return Ok(vec![text]);
        }
        let read = |file| std::fs::read(file).map_err(|error| format!("{file}: {error}").into());
        self.files.iter().map(read).collect()
    }

    /// Returns the requested preset; the second value says whether there is one.
    fn policy(&self, named: Option<&str>) -> Result<(Provider, bool), BoxError> {
        if let Some(name) = &self.provider {
            let known = || {
                providers::all()
                    .iter()
                    .map(Policy::name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return match providers::by_name(name) {
                Some(preset) => Ok((preset, true)),
                None => Err(format!("no preset is called {name}; there are: {}", known()).into()),
            };
        }
        let preset = named.and_then(providers::by_name);
        let known = preset.is_some();
        Ok((preset.unwrap_or_else(|| Provider::new("generic")), known))
    }

    fn judge(
        &self,
        named: Option<&str>,
        response: &Response<Vec<u8>>,
        now: SystemTime,
    ) -> Result<Judged, BoxError> {
        let (policy, preset) = self.policy(named)?;
        let method = self.method.as_deref().unwrap_or("GET");
        let request = Request::builder()
            .method(method)
            .uri("https://api.example.com/")
            .body(())?;
        let mut attempt = Attempt::new(&request, response).received_at(now);
        let inspected = policy.wants_body(&attempt);
        if inspected {
            attempt = attempt.with_body(response.body());
        }
        let verdict = policy.judge(&attempt);
        // A generic refusal is final, yet the response may name a wait; a preset knows better.
        let read = match attempt.reading() {
            Reading::Wait(hint) if !preset && verdict.ruling() == Ruling::Refuse => Some(hint),
            _ => None,
        };
        Ok(Judged {
            policy: policy.name().to_owned(),
            hint: verdict.hint().cloned().or(read),
            verdict,
            inspected,
        })
    }

    fn line_about(&self, recorded: &Recorded) -> Result<serde_json::Value, BoxError> {
        let now = match self.now {
            Some(now) => now,
            None => moment(&recorded.now)?,
        };
        let response = recorded.response()?;
        let judged = self.judge(recorded.provider.as_deref(), &response, now)?;
        // Waits are read without the provider's rules, unless the record says that they are needed.
        let waits = if recorded.rule || self.provider.is_some() {
            self.judge(recorded.provider.as_deref(), &response, now)?
        } else {
            self.judge(None, &response, now)?
        };
        Ok(json!({
            "id": recorded.id,
            "verdict": judged.ruling(),
            "wait_ms": waits.hint.as_ref().map(|hint| hint.wait().as_millis() as u64),
            "hint": waits.kind(),
            "decided_by": waits.hint.as_ref().map(Hint::source),
        }))
    }

    /// Explains a response, or several of one server.
    fn explain(&self, texts: &[Vec<u8>]) -> Result<String, BoxError> {
        let texts = texts.iter().flat_map(|text| apart(text));
        let responses: Vec<_> = texts
            .map(|text| as_curl_prints_it(&text))
            .collect::<Result<_, _>>()?;
        match &responses[..] {
            [response] => self.explain_one(response),
            _ => self.explain_all(responses),
        }
    }

    fn explain_one(&self, response: &Response<Vec<u8>>) -> Result<String, BoxError> {
        let now = self.now.unwrap_or_else(SystemTime::now);
        let judged = self.judge(None, response, now)?;
        Ok(format!(
            "status   {}\npolicy   {}{}\nverdict  {}: {}\nwait     {}\n",
            response.status(),
            judged.policy,
            if judged.inspected {
                ", which inspected the body"
            } else {
                ""
            },
            judged.ruling(),
            judged.meaning(),
            judged.wait(),
        ))
    }

    fn explain_all(&self, responses: Vec<Response<Vec<u8>>>) -> Result<String, BoxError> {
        let dates: Vec<_> = responses.iter().map(belief::date).collect();
        let first = dates.iter().flatten().next().copied();
        let start = self.now.or(first).unwrap_or_else(SystemTime::now);
        let mut since = Duration::ZERO;
        let (mut text, mut recorded) = (String::new(), Vec::new());
        for (number, (response, date)) in responses.into_iter().zip(dates).enumerate() {
            let later = first
                .zip(date)
                .map(|(first, date)| date.duration_since(first));
            since = since.max(later.and_then(Result::ok).unwrap_or_default());
            let judged = self.judge(None, &response, start + since)?;
            let (status, ruling, wait) = (response.status(), judged.ruling(), judged.wait());
            let number = number + 1;
            writeln!(
                text,
                "{number:>6}  {}  {ruling:<9}  {wait}",
                status.as_u16()
            )?;
            recorded.push((since, response));
        }
        let (policy, preset) = self.policy(None)?;
        let mut written = Preset::of(self.name.as_deref().unwrap_or("acme"), &recorded);
        match belief::after(policy, start, recorded)? {
            Some(learned) => {
                writeln!(text, "learned  {learned}")?;
                written = written.with_limit(learned);
            }
            None => writeln!(text, "learned  nothing: no refusal shows a limit")?,
        }
        if !preset {
            writeln!(text, "\n{written}")?;
        }
        Ok(text)
    }
}

struct Judged {
    policy: String,
    verdict: Verdict,
    hint: Option<Hint>,
    inspected: bool,
}

impl Judged {
    fn ruling(&self) -> &'static str {
        match self.verdict.ruling() {
            Ruling::Accept => "accept",
            Ruling::Retry => "retry",
            Ruling::Throttled => "throttled",
            Ruling::Refuse => "refuse",
        }
    }

    fn kind(&self) -> &'static str {
        match self.hint.as_ref().map(Hint::kind) {
            Some(Kind::RetryAfter) => "retry-after",
            Some(Kind::Reset) => "reset",
            Some(Kind::Body) => "body",
            _ => "none",
        }
    }

    fn meaning(&self) -> &'static str {
        match (self.verdict.ruling(), self.verdict.closes_gate()) {
            (Ruling::Accept, false) => "the caller gets it",
            (Ruling::Accept, true) => "the caller gets it, and the next call waits",
            (Ruling::Retry, false) => "this call goes again by its own backoff",
            (Ruling::Retry, true) => "this call goes again after the wait, and so do all others",
            (Ruling::Throttled, _) => "all callers wait at the gate, then this call goes again",
            (Ruling::Refuse, false) => "final, the caller gets it",
            (Ruling::Refuse, true) => "final, the caller gets it, and all others wait",
        }
    }

    fn wait(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{:?}, as {} says", hint.wait(), hint.source()),
            None if self.verdict.closes_gate() => {
                "no usable hint: at least the bare wait".to_owned()
            }
            None => "none named".to_owned(),
        }
    }
}

fn moment(text: &str) -> Result<SystemTime, BoxError> {
    let moment: jiff::Timestamp = text.parse().map_err(|error| format!("{text}: {error}"))?;
    Ok(moment.try_into()?)
}
