//! What one call holds, and what it does next. No polling of its own: each step is asked for by the
//! [future](crate::future), looks at the clock once and says what follows.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request, response};
use http_body::Body;
use tower_service::Service;

use crate::backoff::{Backoff, upward};
use crate::body::{Heard, Hearing, Replay, ResponseBody};
use crate::clock::{Timer, later};
use crate::error::{BoxError, NotBefore};
use crate::gate::{Closing, Ending, Receipt, Shut, Turn, Wait};
use crate::hint::Hint;
use crate::layer::Settings;
use crate::observe::Decision;
use crate::patience::{Deadline, Patience};
use crate::policy::{Attempt, Received, RequestHead, Ruling, Verdict};
use crate::report::{Ended, Report, ReportSlot};
use crate::trace;

/// The step after this one.
pub(crate) enum Next<R: Body> {
    Admit,
    Ready,
    Send,
    Peek,
    Drain,
    Sleep,
    End(Result<Response<ResponseBody<R>>, BoxError>),
}

/// One call. What most calls never need is behind `rare`.
pub(crate) struct Call<S, B, R: Body> {
    service: S,
    settings: Arc<Settings>,
    head: request::Parts,
    /// `None` once it has been sent and cannot be had again.
    body: Option<B>,
    turn: Turn,
    started: Instant,
    attempts: u32,
    /// Whether it had to wait for its turn.
    waited: bool,
    timer: Option<Timer>,
    rare: Option<Box<Rare<R>>>,
}

/// What a call remembers once something happened to it.
struct Rare<R: Body> {
    waited: Duration,
    /// How much of that the server or the gate decided: it uses up no patience with failures.
    gated: Duration,
    waits_since: Option<Instant>,
    /// The call's own backoff ends then; what it waits beyond is the gate's.
    backs_off_until: Option<Instant>,
    decided_by: Option<Cow<'static, str>>,
    /// Refusals of this call whose wait the server or the gate decided.
    refusals: u32,
    /// Retries that the call timed by its own backoff, and the last of their waits.
    retries: u32,
    backed_off: Duration,
    /// No attempt starts later than this.
    latest: Option<Instant>,
    /// The call's own timer rings then.
    sleep_until: Option<Instant>,
    /// The price of the next retry.
    receipt: Option<Receipt>,
    /// The last answer, while the call goes on.
    in_hand: Option<InHand<R>>,
}

impl<R: Body> Default for Rare<R> {
    fn default() -> Self {
        Self {
            waited: Duration::ZERO,
            gated: Duration::ZERO,
            waits_since: None,
            backs_off_until: None,
            decided_by: None,
            refusals: 0,
            retries: 0,
            backed_off: Duration::ZERO,
            latest: None,
            sleep_until: None,
            receipt: None,
            in_hand: None,
        }
    }
}

/// What the caller gets if the call has to end.
enum InHand<R: Body> {
    /// A refusal whose body is being listened to, and when its head arrived.
    Hearing(response::Parts, Hearing<R>, Instant),
    /// A refusal that was read to its end.
    Whole(response::Parts, Heard<R>),
    Error(BoxError),
}

/// A response, untouched or listened to.
enum Answer<R: Body> {
    Untouched(Response<R>),
    Heard(response::Parts, Hearing<R>),
}

/// When the call goes again, or why it does not.
enum Plan {
    Again(Instant),
    End(Option<Ended>, Option<Instant>),
}

impl<S, B, R> Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Replay,
    R: Body,
{
    pub(crate) fn new(service: S, settings: Arc<Settings>, request: Request<B>) -> Self {
        let started = settings.clock.now();
        let gate = settings.gate_of(&RequestHead::new(&request), started);
        let (head, body) = request.into_parts();
        Self {
            service,
            settings,
            head,
            body: Some(body),
            turn: Turn::at(gate),
            started,
            attempts: 0,
            waited: false,
            timer: None,
            rare: None,
        }
    }

    /// Whether the gate is open and the call still in time, so that it can be sent at once.
    pub(crate) fn arrives(&mut self) -> bool {
        let deadline = self.head.extensions.get::<Deadline>();
        let in_time = deadline.is_none_or(|deadline| self.started <= deadline.0);
        in_time && self.turn.arrive(self.started)
    }

    pub(crate) fn wait_on(&mut self, unready: S) {
        self.service = unready;
    }

    /// Sends, keeping a copy if there can be one.
    pub(crate) fn send(&mut self) -> S::Future {
        self.account_for_wait();
        self.attempts += 1;
        let copy = self.body.as_ref().and_then(Replay::replay);
        let body = copy
            .or_else(|| self.body.take())
            .expect("a call goes again only with a body to send");
        let request = Request::from_parts(self.head.clone(), body);
        self.service.call(request)
    }

    fn account_for_wait(&mut self) {
        if self.attempts == 0 && !self.waited {
            return;
        }
        self.stop_waiting();
        let rare = self.rare();
        rare.in_hand = None;
        if let Some(receipt) = rare.receipt.take() {
            receipt.spend();
        }
    }

    /// A wait is over, because the call is sent or because it ends.
    fn stop_waiting(&mut self) {
        let first = (self.attempts == 0).then_some(self.started);
        let now = self.settings.clock.now();
        let rare = self.rare();
        let Some(since) = rare.waits_since.take().or(first) else {
            return;
        };
        let gated_since = rare.backs_off_until.take().unwrap_or(since);
        rare.waited += now.saturating_duration_since(since);
        rare.gated += now.saturating_duration_since(gated_since);
    }

    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        self.waited = true;
        let latest = self.latest();
        let clock = self.settings.clock;
        let turn = ready!(self.turn.poll(latest, &clock, &mut self.timer, cx));
        Poll::Ready(match turn {
            Ok(()) => Next::Ready,
            Err(shut) => Next::End(self.give_up(shut)),
        })
    }

    pub(crate) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        match self.service.poll_ready(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                self.turn.give_back();
                let end = self.end_with_error(error.into(), Some(Ended::Final), None);
                return Poll::Ready(Next::End(end));
            }
            Poll::Pending => {
                ready!(self.poll_patience(cx));
                return Poll::Ready(Next::End(self.give_up(None)));
            }
        }
        let now = self.settings.clock.now();
        if now > self.latest() {
            return Poll::Ready(Next::End(self.give_up(None)));
        }
        if self.turn.still_holds(now) {
            return Poll::Ready(Next::Send);
        }
        // The gate shut while the inner service made itself ready: let go of its permit.
        self.service = self.service.clone();
        Poll::Ready(Next::Admit)
    }

    /// Ready when the call may not be sent any more.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let latest = self.latest();
        let timer = self.timer.get_or_insert_with(|| Timer::until(latest));
        timer.set(latest);
        timer.poll(cx)
    }

    pub(crate) fn poll_sleep(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.poll(cx));
        }
        Poll::Ready(Next::Admit)
    }

    /// The answer is here, or the failure.
    pub(crate) fn hear(&mut self, outcome: Result<Response<R>, S::Error>) -> Next<R> {
        let now = self.settings.clock.now();
        match outcome {
            Ok(response) if self.wants_body(&response, now) => {
                self.listen_to(response, now);
                Next::Peek
            }
            Ok(response) => self.answered(Answer::Untouched(response), None, now),
            Err(error) => self.failed(error.into(), now),
        }
    }

    fn wants_body(&self, response: &Response<R>, heard: Instant) -> bool {
        let status = response.status();
        let observer = self.settings.observer.as_ref();
        observer.is_some_and(|observer| observer.wants_body_of(status))
            || self.settings.policy.wants_body(&Attempt::answered(
                RequestHead::from(&self.head),
                status,
                response.headers(),
                self.attempts,
                Received::Later(self.settings.clock, heard),
            ))
    }

    fn listen_to(&mut self, response: Response<R>, heard: Instant) {
        let (head, body) = response.into_parts();
        let hearing = Hearing::of(body, self.settings.clock.now());
        self.rare().in_hand = Some(InHand::Hearing(head, hearing, heard));
    }

    pub(crate) fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let rare = self.rare();
        if let Some(InHand::Hearing(_, hearing, _)) = &mut rare.in_hand {
            ready!(hearing.poll(Hearing::<R>::PEEK, cx));
        }
        let Some(InHand::Hearing(head, hearing, heard)) = rare.in_hand.take() else {
            unreachable!("the body of a refusal is in hand while it is peeked at");
        };
        let body = hearing.whole();
        Poll::Ready(self.answered(Answer::Heard(head, hearing), body, heard))
    }

    /// Judges an answer and carries the verdict out.
    fn answered(&mut self, answer: Answer<R>, body: Option<Bytes>, heard: Instant) -> Next<R> {
        let mut attempt = Attempt::answered(
            RequestHead::from(&self.head),
            answer.status(),
            answer.headers(),
            self.attempts,
            Received::Later(self.settings.clock, heard),
        )
        .counting(self.turn.wants_counter());
        if let Some(body) = &body {
            attempt = attempt.with_body(body);
        }
        let verdict = self.settings.policy.judge(&attempt);
        let opens = carry_out(&verdict, &attempt, &mut self.turn, &self.settings, heard);
        let given_up = answer.given_up();
        let plan = self.plan(&verdict, given_up, opens, heard);
        self.note_what_decided(&plan, &verdict, Some(answer.status()));
        match plan {
            Plan::Again(next) => {
                self.go_again(Some(answer.status()), opens, next, heard);
                match answer {
                    Answer::Untouched(response) => self.listen_to(response, heard),
                    Answer::Heard(head, hearing) => {
                        self.rare().in_hand = Some(InHand::Hearing(head, hearing, heard));
                    }
                }
                Next::Drain
            }
            Plan::End(ended, not_before) => {
                Next::End(Ok(self.end(answer.into_response(), ended, not_before)))
            }
        }
    }

    /// Judges a failure and carries the verdict out.
    fn failed(&mut self, error: BoxError, heard: Instant) -> Next<R> {
        let attempt = Attempt::unanswered::<B>(
            RequestHead::from(&self.head),
            &*error,
            self.attempts,
            Received::Later(self.settings.clock, heard),
        );
        let verdict = self.settings.policy.judge(&attempt);
        let opens = carry_out(&verdict, &attempt, &mut self.turn, &self.settings, heard);
        // Told by a layer of this kind further inside: it has waited as long as it could.
        let given_up = error.is::<NotBefore>().then_some(Ended::Patience);
        let plan = self.plan(&verdict, given_up, opens, heard);
        self.note_what_decided(&plan, &verdict, None);
        match plan {
            Plan::Again(next) => {
                self.go_again(None, opens, next, heard);
                self.rare().in_hand = Some(InHand::Error(error));
                self.after_drain()
            }
            Plan::End(ended, not_before) => {
                Next::End(self.end_with_error(error, ended, not_before))
            }
        }
    }

    /// When the call goes again, if it does.
    fn plan(
        &mut self,
        verdict: &Verdict,
        given_up: Option<Ended>,
        opens: Option<Instant>,
        heard: Instant,
    ) -> Plan {
        match verdict.ruling() {
            Ruling::Accept => Plan::End(None, None),
            Ruling::Refuse => Plan::End(Some(Ended::Final), None),
            _ if given_up.is_some() => Plan::End(given_up, None),
            _ if self.body.is_none() => Plan::End(Some(Ended::SentOnce), opens),
            Ruling::Retry if self.backs_off_longer(verdict.hint()) => {
                self.plan_by_backoff(opens, heard)
            }
            _ => self.plan_by_server(verdict.hint(), opens, heard),
        }
    }

    /// Whether it is the call's own backoff that times a retry: nobody named a wait, or one so short
    /// that it makes no difference.
    fn backs_off_longer(&mut self, hint: Option<&Hint>) -> bool {
        let backoff = self.settings.backoff;
        let retries = self.rare().retries;
        hint.is_none_or(|hint| hint.wait() < backoff.unspread(retries))
    }

    /// The server or the gate says when. Never before; and never before the call's own backoff,
    /// which grows with every refusal, so that "now" for ever makes no loop.
    fn plan_by_server(
        &mut self,
        hint: Option<&Hint>,
        opens: Option<Instant>,
        heard: Instant,
    ) -> Plan {
        let named = hint.map(|hint| {
            let wait = hint.wait();
            later(
                heard,
                wait.saturating_add(upward(wait, self.settings.dice.roll())),
            )
        });
        let (backoff, usual) = (self.settings.backoff, Backoff::default());
        let rare = self.rare();
        // However small a backoff is set: it serves failures, and this is a refusal.
        let own = backoff
            .unspread(rare.refusals)
            .max(usual.unspread(rare.refusals));
        let own = later(heard, own);
        rare.refusals = rare.refusals.saturating_add(1);
        let next = opens.or(named).unwrap_or(heard).max(own);
        self.within(self.patience().refusals, next)
    }

    /// Nobody says when: exponential backoff, out of the budget.
    fn plan_by_backoff(&mut self, opens: Option<Instant>, heard: Instant) -> Plan {
        let Settings {
            max_retries,
            backoff,
            budget,
            ..
        } = *self.settings;
        let roll = self.settings.dice.roll();
        if self.rare().retries >= max_retries {
            return Plan::End(Some(Ended::Retries), None);
        }
        if let Some(until) = self.turn.suspends() {
            return self.plan_by_outage(until.max(heard));
        }
        let rare = self.rare();
        let wait = backoff.wait(rare.retries, rare.backed_off, roll);
        let gated = rare.gated;
        let patience = self.failure_patience(gated);
        let next = later(heard, wait).max(opens.unwrap_or(heard));
        let plan = self.within(patience, next);
        if matches!(plan, Plan::Again(_)) {
            let Some(receipt) = self.turn.pay(budget, heard) else {
                return Plan::End(Some(Ended::Budget), None);
            };
            let rare = self.rare();
            rare.retries += 1;
            rare.backed_off = wait;
            rare.backs_off_until = Some(next);
            rare.receipt = Some(receipt);
        }
        plan
    }

    /// The whole scope fails: the gate says when, and it costs neither a retry nor budget.
    fn plan_by_outage(&mut self, next: Instant) -> Plan {
        let gated = self.rare().gated;
        let patience = self.failure_patience(gated);
        let plan = self.within(patience, next);
        // All of this wait is on account of failures, however long the gate makes it.
        self.rare().backs_off_until = Some(later(next, Duration::MAX));
        plan
    }

    /// Ends the call now if the next moment lies beyond its patience.
    fn within(&mut self, patience: Duration, next: Instant) -> Plan {
        let latest = self.until(patience);
        if next > latest {
            return Plan::End(Some(Ended::Patience), Some(next));
        }
        let rare = self.rare();
        rare.latest = rare.latest.max(Some(latest));
        Plan::Again(next)
    }

    /// What the gate took uses up no patience with failures, but never is there more than for all.
    fn failure_patience(&self, gated: Duration) -> Duration {
        let Patience { refusals, failures } = self.patience();
        failures.saturating_add(gated).min(failures.max(refusals))
    }

    fn patience(&self) -> Patience {
        let said = self.head.extensions.get::<Patience>();
        *said.unwrap_or(&self.settings.patience)
    }

    fn until(&self, patience: Duration) -> Instant {
        let latest = later(self.started, patience);
        match self.head.extensions.get::<Deadline>() {
            Some(deadline) => latest.min(deadline.0),
            None => latest,
        }
    }

    /// The last moment at which this call may start an attempt.
    fn latest(&self) -> Instant {
        let usual = self.until(self.patience().refusals);
        let known = self.rare.as_ref().and_then(|rare| rare.latest);
        known.map_or(usual, |latest| latest.max(usual))
    }

    fn note_what_decided(&mut self, plan: &Plan, verdict: &Verdict, status: Option<StatusCode>) {
        if matches!(plan, Plan::Again(_) | Plan::End(_, Some(_))) {
            self.rare().decided_by = Some(decided_by(verdict, status));
        }
    }

    fn go_again(
        &mut self,
        status: Option<StatusCode>,
        opens: Option<Instant>,
        next: Instant,
        heard: Instant,
    ) {
        let attempts = self.attempts;
        let rare = self.rare.get_or_insert_with(Box::default);
        rare.waits_since = Some(heard);
        // The gate itself holds the call until it opens; only a longer wait is the call's own.
        rare.sleep_until = (opens != Some(next)).then_some(next);
        let decided_by = rare.decided_by.as_deref().unwrap_or_default();
        trace::again(
            self.turn.gate().scope(),
            attempts,
            status,
            next - heard,
            decided_by,
        );
    }

    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Next<R>> {
        let rare = self.rare();
        if let Some(InHand::Hearing(_, hearing, _)) = &mut rare.in_hand {
            ready!(hearing.poll(Hearing::<R>::DRAIN, cx));
        }
        if let Some(InHand::Hearing(head, hearing, _)) = rare.in_hand.take() {
            let heard = hearing.into_heard();
            // One that was not heard to its end is let go of, and its connection with it.
            rare.in_hand = heard.is_complete().then(|| InHand::Whole(head, heard));
        }
        Poll::Ready(self.after_drain())
    }

    fn after_drain(&mut self) -> Next<R> {
        let Some(until) = self.rare().sleep_until.take() else {
            return Next::Admit;
        };
        match &mut self.timer {
            Some(timer) => timer.set(until),
            none => *none = Some(Timer::until(until)),
        }
        Next::Sleep
    }

    /// The gate stays shut for longer than the call can wait.
    fn give_up(&mut self, shut: Option<Shut>) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.turn.give_back();
        self.stop_waiting();
        let not_before = shut.as_ref().map(|shut| shut.until);
        if let Some(shut) = &shut {
            self.rare().decided_by = Some(shut.decided_by.clone());
        }
        match self.rare().in_hand.take() {
            Some(InHand::Whole(head, heard)) => {
                let response = Response::from_parts(head, ResponseBody::heard(heard));
                Ok(self.end(response, Some(Ended::Patience), not_before))
            }
            Some(InHand::Hearing(head, hearing, _)) => {
                let body = ResponseBody::heard(hearing.into_heard());
                let response = Response::from_parts(head, body);
                Ok(self.end(response, Some(Ended::Patience), not_before))
            }
            Some(InHand::Error(error)) => {
                self.end_with_error(error, Some(Ended::Patience), not_before)
            }
            None => {
                let error = Box::new(self.not_before(shut));
                self.end_with_error(error, Some(Ended::Patience), not_before)
            }
        }
    }

    fn not_before(&self, shut: Option<Shut>) -> NotBefore {
        let now = self.settings.clock.now();
        let moment = shut.as_ref().map_or(now, |shut| shut.until);
        NotBefore {
            moment: self.settings.clock.wall_at(moment),
            wait: moment.saturating_duration_since(now),
            scope: self.turn.gate().scope().clone(),
            decided_by: shut.map_or(Cow::Borrowed("the callers ahead"), |shut| shut.decided_by),
        }
    }

    fn end(
        &mut self,
        mut response: Response<ResponseBody<R>>,
        ended: Option<Ended>,
        not_before: Option<Instant>,
    ) -> Response<ResponseBody<R>> {
        if let Some(report) = self.report(ended, not_before) {
            response.extensions_mut().insert(report);
        }
        response
    }

    fn end_with_error(
        &mut self,
        error: BoxError,
        ended: Option<Ended>,
        not_before: Option<Instant>,
    ) -> Result<Response<ResponseBody<R>>, BoxError> {
        self.report(ended, not_before);
        Err(error)
    }

    /// What happened, if anything did; also into the slot that the caller left.
    fn report(&mut self, ended: Option<Ended>, not_before: Option<Instant>) -> Option<Report> {
        let slot = self.head.extensions.get::<ReportSlot>();
        if ended.is_none() && self.rare.is_none() && slot.is_none() {
            return None;
        }
        let mut report = Report {
            attempts: self.attempts,
            ended,
            not_before: not_before.map(|moment| self.settings.clock.wall_at(moment)),
            ..Report::default()
        };
        if let Some(rare) = &self.rare {
            report.waited = rare.waited;
            report.decided_by = rare.decided_by.clone();
        }
        if let Some(slot) = slot {
            slot.fill(report.clone());
        }
        if let Some(ended) = ended {
            trace::ended(self.turn.gate().scope(), self.attempts, ended);
        }
        Some(report)
    }

    fn rare(&mut self) -> &mut Rare<R> {
        self.rare.get_or_insert_with(Box::default)
    }
}

/// Tells the gate, the observer and the log what the verdict is. Returns when the gate opens, if the
/// verdict shuts it.
fn carry_out(
    verdict: &Verdict,
    attempt: &Attempt<'_>,
    turn: &mut Turn,
    settings: &Settings,
    heard: Instant,
) -> Option<Instant> {
    let accepted = verdict.ruling() == Ruling::Accept;
    let closing = verdict.cools().then(|| {
        let closing = Closing {
            wait: match verdict.hint() {
                Some(hint) => Wait::Named(hint.wait()),
                None => Wait::Bare(verdict.bare()),
            },
            heard,
            refused: !accepted,
            decided_by: decided_by(verdict, attempt.status()),
            at_most: settings.max_cooldown,
        };
        (closing, settings.dice.roll())
    });
    let ending = match verdict.ruling() {
        _ if attempt
            .status()
            .is_none_or(|status| status.is_server_error())
            && !verdict.cools() =>
        {
            Ending::Failed
        }
        Ruling::Accept => Ending::Accepted,
        Ruling::Throttled => Ending::Refused,
        Ruling::Retry | Ruling::Refuse if verdict.cools() => Ending::Refused,
        Ruling::Retry | Ruling::Refuse => Ending::Accepted,
    };
    let counter = verdict.counter();
    let opens = turn.answered(ending, counter, closing, heard);
    let scope = turn.gate().scope();
    let shut_for = opens.map(|opens| opens.saturating_duration_since(heard));
    if let Some(shut_for) = shut_for {
        let decided_by = decided_by(verdict, attempt.status());
        trace::shut(scope, attempt.status(), shut_for, &decided_by);
    }
    if let Some(observer) = &settings.observer {
        observer.decided(&Decision {
            attempt,
            verdict,
            scope,
            shut_for,
        });
    }
    opens
}

/// The header or the rule behind a wait.
fn decided_by(verdict: &Verdict, status: Option<StatusCode>) -> Cow<'static, str> {
    match (verdict.hint(), status) {
        (Some(hint), _) => hint.source().to_owned().into(),
        (None, Some(status)) if verdict.cools() => format!("a bare {}", status.as_u16()).into(),
        (None, None) if verdict.cools() => "a failure".into(),
        (None, _) => "backoff".into(),
    }
}

impl<R: Body> Answer<R> {
    fn status(&self) -> StatusCode {
        match self {
            Self::Untouched(response) => response.status(),
            Self::Heard(head, _) => head.status,
        }
    }

    fn headers(&self) -> &HeaderMap {
        match self {
            Self::Untouched(response) => response.headers(),
            Self::Heard(head, _) => &head.headers,
        }
    }

    /// Why a layer of this kind further inside has given up on it, if one has: layers in a row do not
    /// multiply their tries.
    fn given_up(&self) -> Option<Ended> {
        let extensions = match self {
            Self::Untouched(response) => response.extensions(),
            Self::Heard(head, _) => &head.extensions,
        };
        let ended = extensions.get::<Report>()?.ended;
        ended.filter(|ended| *ended != Ended::Final)
    }

    fn into_response(self) -> Response<ResponseBody<R>> {
        match self {
            Self::Untouched(response) => response.map(ResponseBody::untouched),
            Self::Heard(head, hearing) => {
                Response::from_parts(head, ResponseBody::heard(hearing.into_heard()))
            }
        }
    }
}
