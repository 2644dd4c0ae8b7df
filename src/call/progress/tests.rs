//! Each rule of "when does it go again", told the time and the random bits.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Moment =
    Moment::after_slices(1_000_000, std::num::NonZeroU64::new(1_000_000_000).unwrap());

/// A gate that answers as it is told.
#[derive(Default)]
struct FakeGate {
    breaker: Option<BreakerState>,
    is_broke: bool,
    paid: u32,
}

impl RetryGate for FakeGate {
    fn suspend_retry(&mut self) -> Option<BreakerState> {
        self.breaker
    }

    fn pay_for_retry(&mut self) -> bool {
        self.paid += u32::from(!self.is_broke);
        !self.is_broke
    }
}

fn bounds() -> Bounds {
    Bounds {
        started: NOW,
        patience: Patience::of(SECOND * 300).failures(SECOND * 30),
        deadline: None,
        max_retries: 4,
        max_refusals: u32::MAX,
        backoff: Backoff::exponential(SECOND).jitter(crate::Jitter::None),
    }
}

fn ended(verdict: &Verdict) -> Ended<'_> {
    Ended {
        verdict,
        given_up: None,
        replayable: true,
        opens: None,
        at: NOW,
    }
}

/// What a fresh call does after an attempt that ended so.
fn plan(ended: &Ended<'_>) -> Plan {
    Progress::default().plan(&bounds(), ended, &mut FakeGate::default(), || 0)
}

fn end(reason: StopReason) -> Plan {
    Plan::End(Some(reason), None)
}

fn again(wait: Duration) -> Plan {
    Plan::Again(NOW + wait)
}

#[test]
fn what_is_accepted_ends_without_a_reason() {
    assert_eq!(plan(&ended(&Verdict::accept())), Plan::End(None, None));
}

#[test]
fn what_is_final_or_not_safe_ends_and_says_so() {
    assert_eq!(plan(&ended(&Verdict::refuse())), end(StopReason::Final));
    assert_eq!(plan(&ended(&Verdict::not_safe())), end(StopReason::NotSafe));
}

#[test]
fn what_a_layer_further_inside_has_given_up_on_is_not_tried_again() {
    let verdict = Verdict::throttled();
    let ended = Ended {
        given_up: Some(GivenUp {
            reason: StopReason::RetriesExhausted,
            not_before: None,
            decided_by: None,
        }),
        opens: Some(NOW + SECOND),
        ..ended(&verdict)
    };
    assert_eq!(plan(&ended), end(StopReason::RetriesExhausted));
}

#[test]
fn what_a_layer_further_inside_gave_up_on_goes_when_both_gates_are_open() {
    let verdict = Verdict::throttled();
    for (opens, expected) in [(None, 20), (Some(10), 20), (Some(30), 30)] {
        let reason = StopReason::PatienceExceeded;
        let ended = Ended {
            given_up: Some(GivenUp {
                reason,
                not_before: Some(NOW + SECOND * 20),
                decided_by: None,
            }),
            opens: opens.map(|opens| NOW + SECOND * opens),
            ..ended(&verdict)
        };
        let expected = Some(NOW + SECOND * expected);
        assert_eq!(plan(&ended), Plan::End(Some(reason), expected));
    }
}

#[test]
fn without_a_body_to_send_it_ends_and_says_when_the_gate_opens() {
    let verdict = Verdict::throttled();
    let opens = Some(NOW + SECOND * 7);
    let ended = Ended {
        replayable: false,
        opens,
        ..ended(&verdict)
    };
    let expected = Plan::End(Some(StopReason::BodyNotReplayable), opens);
    assert_eq!(plan(&ended), expected);
}

#[test]
fn a_failure_goes_again_after_an_exponential_backoff() {
    let (verdict, mut progress, mut gate) =
        (Verdict::retry(), Progress::default(), FakeGate::default());
    let waits: Vec<_> = (0..4)
        .map(|_| progress.plan(&bounds(), &ended(&verdict), &mut gate, || 0))
        .collect();
    assert_eq!(waits, [1, 2, 4, 8].map(|seconds| again(SECOND * seconds)));
    assert_eq!(gate.paid, 4);
}

#[test]
fn retries_are_bounded_in_number_and_refusals_by_patience_alone() {
    let (mut progress, mut gate) = (Progress::default(), FakeGate::default());
    let failure = Verdict::retry();
    for _ in 0..4 {
        progress.plan(&bounds(), &ended(&failure), &mut gate, || 0);
    }
    let fifth = progress.plan(&bounds(), &ended(&failure), &mut gate, || 0);
    assert_eq!(fifth, end(StopReason::RetriesExhausted));
    let refused = Verdict::throttled().after(SECOND);
    for _ in 0..5 {
        let plan = progress.plan(&bounds(), &ended(&refused), &mut gate, || 0);
        assert!(matches!(plan, Plan::Again(_)), "{plan:?}");
    }
    assert_eq!(gate.paid, 4, "a refusal costs no budget");
}

#[test]
fn without_budget_a_failure_ends_the_call() {
    let verdict = Verdict::retry();
    let mut gate = FakeGate {
        is_broke: true,
        ..FakeGate::default()
    };
    let plan = Progress::default().plan(&bounds(), &ended(&verdict), &mut gate, || 0);
    assert_eq!(plan, end(StopReason::BudgetExhausted));
}

#[test]
fn a_refusal_goes_again_when_the_gate_opens_and_never_before() {
    let verdict = Verdict::throttled().after(SECOND * 9);
    let opens = NOW + SECOND * 12;
    let ended = Ended {
        opens: Some(opens),
        ..ended(&verdict)
    };
    assert_eq!(plan(&ended), Plan::Again(opens));
}

#[test]
fn a_wait_that_holds_no_other_call_is_kept_with_a_little_jitter() {
    let verdict = Verdict::retry().after(SECOND * 100);
    let ended = ended(&verdict);
    assert_eq!(plan(&ended), again(SECOND * 100));
    let jittered =
        Progress::default().plan(&bounds(), &ended, &mut FakeGate::default(), || u64::MAX);
    assert_eq!(jittered, again(SECOND * 100 + SECOND / 4));
}

#[test]
fn a_named_wait_that_is_shorter_than_the_backoff_is_stretched_to_it() {
    let verdict = Verdict::retry().after(SECOND / 10);
    assert_eq!(plan(&ended(&verdict)), again(SECOND), "of the call");
    let refused = Verdict::throttled().after(Duration::ZERO);
    let mut progress = Progress::default();
    let wait = |progress: &mut Progress| match progress.plan(
        &bounds(),
        &ended(&refused),
        &mut FakeGate::default(),
        || 0,
    ) {
        Plan::Again(next) => next - NOW,
        Plan::End(..) => panic!("it has patience"),
    };
    let waits: Vec<_> = (0..6).map(|_| wait(&mut progress)).collect();
    assert!(waits.is_sorted() && waits[5] >= SECOND * 30, "{waits:?}");
}

#[test]
fn a_wait_beyond_the_patience_ends_the_call_now_and_says_not_before_when() {
    let verdict = Verdict::throttled().after(SECOND * 301);
    let next = NOW + SECOND * 301;
    let expected = Plan::End(Some(StopReason::PatienceExceeded), Some(next));
    assert_eq!(plan(&ended(&verdict)), expected);
}

#[test]
fn a_deadline_shortens_the_patience_and_never_lengthens_it() {
    let verdict = Verdict::throttled().after(SECOND * 20);
    let with = |deadline| Bounds {
        deadline: Some(NOW + deadline),
        ..bounds()
    };
    let plan = |bounds: Bounds, verdict: &Verdict| {
        Progress::default().plan(&bounds, &ended(verdict), &mut FakeGate::default(), || 0)
    };
    assert!(matches!(plan(with(SECOND * 19), &verdict), Plan::End(..)));
    assert!(matches!(plan(with(SECOND * 21), &verdict), Plan::Again(_)));
    let long = Verdict::throttled().after(SECOND * 400);
    assert!(matches!(plan(with(SECOND * 500), &long), Plan::End(..)));
}

#[test]
fn failures_have_a_patience_of_their_own_which_the_waits_of_the_gate_do_not_use_up() {
    let verdict = Verdict::retry();
    let late = |at| Ended {
        at,
        ..ended(&verdict)
    };
    let mut progress = Progress::default();
    let at = NOW + SECOND * 29 + SECOND / 2;
    let plan = progress.plan(&bounds(), &late(at), &mut FakeGate::default(), || 0);
    let expected = Plan::End(Some(StopReason::PatienceExceeded), Some(at + SECOND));
    assert_eq!(plan, expected);
    // The gate kept it for 20 s.
    progress.begin_wait(NOW);
    progress.end_wait(None, NOW + SECOND * 20);
    let plan = progress.plan(&bounds(), &late(at), &mut FakeGate::default(), || 0);
    assert_eq!(plan, Plan::Again(at + SECOND));
}

#[test]
fn what_the_backoff_takes_does_use_it_up() {
    let verdict = Verdict::retry();
    let mut progress = Progress::default();
    let plan = progress.plan(&bounds(), &ended(&verdict), &mut FakeGate::default(), || 0);
    assert_eq!(plan, again(SECOND));
    progress.begin_wait(NOW);
    progress.end_wait(None, NOW + SECOND);
    assert_eq!(progress.waited.duration(), SECOND);
    assert_eq!(progress.latest_in_an_outage(&bounds()), NOW + SECOND * 30);
}

#[test]
fn an_open_breaker_says_when_and_costs_a_retry_but_no_budget() {
    let verdict = Verdict::retry();
    let mut gate = FakeGate {
        breaker: Some(BreakerState::Open(NOW + SECOND * 5)),
        ..FakeGate::default()
    };
    let mut progress = Progress::default();
    for _ in 0..4 {
        let plan = progress.plan(&bounds(), &ended(&verdict), &mut gate, || 0);
        let Plan::Again(next) = plan else {
            panic!("{plan:?}")
        };
        assert!(next >= NOW + SECOND * 5);
    }
    let fifth = progress.plan(&bounds(), &ended(&verdict), &mut gate, || 0);
    assert_eq!((fifth, gate.paid), (end(StopReason::RetriesExhausted), 0));
}

#[test]
fn a_suspected_outage_makes_a_retry_look_again_after_a_second_or_two() {
    let verdict = Verdict::retry();
    for (bits, wait) in [(0, SECOND), (u64::MAX, SECOND * 2)] {
        let mut gate = FakeGate {
            breaker: Some(BreakerState::SuspectedUntil(NOW + SECOND * 9)),
            ..FakeGate::default()
        };
        let mut progress = Progress::default();
        let plan = progress.plan(&bounds(), &ended(&verdict), &mut gate, || bits);
        assert_eq!((plan, progress.suspended), (again(wait), true));
    }
}

#[test]
fn a_response_may_allow_a_later_attempt_than_the_settings_do() {
    let patient_with_failures = Bounds {
        patience: Patience::of(SECOND * 10).failures(SECOND * 60),
        ..bounds()
    };
    let verdict = Verdict::retry();
    let mut progress = Progress::default();
    assert_eq!(progress.latest(&patient_with_failures), NOW + SECOND * 10);
    progress.plan(
        &patient_with_failures,
        &ended(&verdict),
        &mut FakeGate::default(),
        || 0,
    );
    assert_eq!(progress.latest(&patient_with_failures), NOW + SECOND * 60);
}

proptest! {
    /// Whatever came back, a call never goes again before the gate opens, nor after its patience.
    #[test]
    fn no_attempt_is_early_or_late(
        named in prop::option::of(0u64..1_000),
        opens in prop::option::of(0u64..1_000),
        throttled in any::<bool>(),
        rounds in 1usize..8,
        bits in any::<u64>(),
    ) {
        let verdict = if throttled { Verdict::throttled() } else { Verdict::retry() };
        let verdict = match named {
            Some(seconds) => verdict.after(SECOND * seconds as u32),
            None => verdict,
        };
        let opens = opens.map(|seconds| NOW + SECOND * seconds as u32);
        let mut progress = Progress::default();
        for _ in 0..rounds {
            let ended = Ended { opens, ..ended(&verdict) };
            let plan = progress.plan(&bounds(), &ended, &mut FakeGate::default(), || bits);
            if let Plan::Again(next) = plan {
                prop_assert!(opens.is_none_or(|opens| next >= opens));
                prop_assert!(next <= progress.latest(&bounds()));
                let own = verdict.hint().map_or(Duration::ZERO, |hint| hint.wait());
                prop_assert!(opens.is_some() || next >= NOW + own);
            }
        }
    }
}

#[test]
fn a_call_waits_for_as_many_refusals_as_are_allowed_and_no_more() {
    let bounds = Bounds {
        max_refusals: 2,
        ..bounds()
    };
    let named = Verdict::retry().after(SECOND * 9);
    let mut progress = Progress::default();
    let mut plan = |verdict: &Verdict| {
        let mut gate = FakeGate::default();
        progress.plan(&bounds, &ended(verdict), &mut gate, || 0)
    };
    assert!(matches!(plan(&Verdict::throttled()), Plan::Again(_)));
    assert!(
        matches!(plan(&Verdict::retry()), Plan::Again(_)),
        "a failure is none"
    );
    assert_eq!(plan(&named), again(SECOND * 9));
    let reason = Some(StopReason::RefusalsExhausted);
    assert_eq!(plan(&named), Plan::End(reason, Some(NOW + SECOND * 9)));
}
