//! The short path of an admission beside the long one.

mod far_away;

use proptest::prelude::*;

use super::*;
use crate::hint::Remaining;

#[derive(Clone, Debug)]
enum CoreStep {
    Admit(u32),
    /// One of the calls in flight ends so.
    CallEnd(prop::sample::Index, CallEnd),
    Abort(prop::sample::Index),
    Elapse(u64),
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum CallEnd {
    Served,
    /// Served, with this many left and a reset in this many seconds.
    Counted(u32, u64),
    /// Refused, with a wait of this many seconds.
    Refused(u64),
    Unavailable,
    Cancelled,
}

fn steps() -> impl Strategy<Value = Vec<CoreStep>> {
    let end = prop_oneof![
        6 => Just(CallEnd::Served),
        2 => (0u32..30, 0u64..90).prop_map(|(left, reset)| CallEnd::Counted(left, reset)),
        1 => (0u64..70).prop_map(CallEnd::Refused),
        2 => Just(CallEnd::Unavailable),
        1 => Just(CallEnd::Cancelled),
    ];
    let step = prop_oneof![
        8 => (1u32..4).prop_map(CoreStep::Admit),
        6 => (any::<prop::sample::Index>(), end).prop_map(|(call, end)| CoreStep::CallEnd(call, end)),
        1 => any::<prop::sample::Index>().prop_map(CoreStep::Abort),
        4 => (0u64..3_000).prop_map(CoreStep::Elapse),
        1 => (0u64..90_000).prop_map(CoreStep::Elapse),
        1 => Just(CoreStep::Reopen),
    ];
    prop::collection::vec(step, 1..120)
}

fn quotas() -> impl Strategy<Value = Vec<Quota>> {
    prop_oneof![
        Just(vec![]),
        Just(vec![Quota::per_second(5)]),
        Just(vec![Quota::per_minute(20).burst(3), Quota::concurrent(4)]),
        Just(vec![Quota::per_second(10).paced()]),
        Just(vec![
            Quota::new(20, Duration::from_secs(2)),
            Quota::per_hour(100)
        ]),
    ]
}

fn end(core: &mut Core, admitted: Admitted, end: CallEnd, now: Moment) {
    let outcome = match end {
        CallEnd::Served | CallEnd::Counted(..) => Outcome::Ok,
        CallEnd::Refused(_) => Outcome::RateLimited,
        CallEnd::Unavailable => Outcome::Unavailable,
        CallEnd::Cancelled => Outcome::Cancelled,
    };
    let counter = match end {
        CallEnd::Counted(remaining, reset) => Some(Remaining {
            limit: Some(30),
            remaining,
            resets_in: Some(Duration::from_secs(reset)),
            coarseness: Duration::from_secs(1),
        }),
        _ => None,
    };
    let completion = Completion {
        counter,
        path: PathHash(1),
        ..Completion::plain(outcome)
    };
    core.complete(admitted, completion, true, now);
    if core.limits_concurrency() && outcome != Outcome::Cancelled {
        core.release_concurrency();
    }
    if let CallEnd::Refused(seconds) = end {
        let closing = Closing {
            wait: Wait::Named(Duration::from_secs(seconds)),
            received_at: now,
            refused: true,
            by_limit: true,
            path: PathHash(1),
            decided_by: "retry-after".into(),
            max_wait: None,
        };
        core.learn(admitted, &closing, true);
        core.close(admitted.generation, closing, 0);
    }
}

proptest! {
    /// A gate that is open by the short path is open by the long one.
    /// After any admission, nothing kept the call.
    #[test]
    fn the_short_path_admits_no_call_that_the_long_one_keeps(
        quotas in quotas(),
        steps in steps(),
    ) {
        let mut core = Core::new(GateConfig { quotas: &quotas, ..GateConfig::default() });
        let mut now = Moment::now();
        let mut in_flight = Vec::new();
        for step in steps {
            match step {
                CoreStep::Admit(cost) => {
                    let open = core.is_open(cost.into(), now);
                    let blocked = core.blocked(cost, now);
                    prop_assert!(!open || blocked.is_none(), "{blocked:?}");
                    let admitted = core.admit(cost, 0, now);
                    prop_assert_eq!(admitted.err(), blocked);
                    in_flight.extend(admitted);
                }
                CoreStep::CallEnd(call, how) if !in_flight.is_empty() => {
                    let admitted = in_flight.swap_remove(call.index(in_flight.len()));
                    end(&mut core, admitted, how, now);
                }
                CoreStep::Abort(call) if !in_flight.is_empty() => {
                    let admitted = in_flight.swap_remove(call.index(in_flight.len()));
                    core.abort(admitted);
                }
                CoreStep::Elapse(millis) => now += Duration::from_millis(millis),
                CoreStep::Reopen => core.reopen(),
                CoreStep::CallEnd(..) | CoreStep::Abort(_) => {}
            }
            prop_assert_eq!(core.in_flight() as usize, in_flight.len());
        }
    }
}
