//! A body that is buffered while it is sent: what each of its replays yields, in every state.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use proptest::prelude::*;
use tower_backoff::body::{Replay, ReplayBody};

/// One thing that a body does when it is polled.
#[derive(Clone, Debug)]
enum Does {
    Yield(Bytes),
    Rest,
    Trail(&'static str),
    Fail,
    Panic,
}

/// A body that does these things in turn, and knows how much is to come if it may.
struct Scripted {
    script: VecDeque<Does>,
    tells: bool,
}

fn body(script: impl IntoIterator<Item = Does>) -> Scripted {
    Scripted {
        script: script.into_iter().collect(),
        tells: false,
    }
}

fn telling(script: impl IntoIterator<Item = Does>) -> Scripted {
    Scripted {
        tells: true,
        ..body(script)
    }
}

fn data(text: &'static str) -> Does {
    Does::Yield(Bytes::from(text))
}

fn trailers(value: &'static str) -> HeaderMap {
    let value = http::HeaderValue::from_static(value);
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), value)])
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(match self.script.pop_front() {
            Some(Does::Rest) => return Poll::Pending,
            Some(Does::Yield(data)) => Some(Ok(Frame::data(data))),
            Some(Does::Trail(value)) => Some(Ok(Frame::trailers(trailers(value)))),
            Some(Does::Fail) => Some(Err("the disk is gone")),
            Some(Does::Panic) => panic!("a body that panics"),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.tells && self.script.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let left = |does: &Does| match does {
            Does::Yield(data) => data.len() as u64,
            _ => 0,
        };
        match self.tells {
            true => SizeHint::with_exact(self.script.iter().map(left).sum()),
            false => SizeHint::new(),
        }
    }
}

type Tee = ReplayBody<Scripted>;

/// What one attempt has read.
#[derive(Debug, Default, PartialEq)]
struct Read {
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
    ended: bool,
    error: Option<String>,
}

impl Read {
    /// Polls once; a body that rests is asked again another time.
    fn one(&mut self, body: &mut Tee) {
        let hint = body.size_hint();
        let said_ended = body.is_end_stream();
        let frame = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(frame) = frame else {
            assert!(
                !said_ended,
                "a body that says it ended has nothing to wait for"
            );
            return;
        };
        match frame {
            Some(Ok(frame)) => {
                assert!(!said_ended, "a body that says it ended yields nothing more");
                self.on_frame(frame, &hint);
            }
            Some(Err(error)) => self.error = Some(error.to_string()),
            None => self.ended = true,
        }
        assert!(!(self.ended && self.error.is_some()), "an error is no end");
    }

    fn on_frame(&mut self, frame: Frame<Bytes>, hint: &SizeHint) {
        match frame.into_data() {
            Ok(data) => {
                assert!(hint.upper().is_none_or(|upper| upper >= data.len() as u64));
                self.bytes.extend_from_slice(&data);
            }
            Err(frame) => self.trailers = frame.into_trailers().ok(),
        }
    }

    fn all(body: &mut Tee) -> Self {
        let mut read = Self::default();
        while !read.ended && read.error.is_none() {
            read.one(body);
        }
        read
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }
}

fn poll(body: &mut Tee, times: usize) -> Read {
    let mut read = Read::default();
    (0..times).for_each(|_| read.one(body));
    read
}

#[test]
fn a_replay_yields_the_same_data_and_the_same_trailers() {
    let mut first = ReplayBody::new(body([data("or"), data("der"), Does::Trail("9")]), 4096);
    let sent = Read::all(&mut first);
    assert_eq!(
        (sent.text(), &sent.trailers),
        ("order", &Some(trailers("9")))
    );
    let mut second = first.replay().expect("it is small");
    assert_eq!(Read::all(&mut second), sent);
    let mut third = second.replay_after_answer().expect("it was sent whole");
    assert_eq!(Read::all(&mut third), sent);
}

#[test]
fn a_replay_goes_on_where_the_attempt_before_broke_off() {
    let mut first = ReplayBody::new(
        body([data("one "), data("two "), Does::Rest, data("three")]),
        4096,
    );
    assert_eq!(poll(&mut first, 2).text(), "one two ");
    let mut second = first.replay().unwrap();
    assert_eq!(Read::all(&mut second).text(), "one two three");
}

#[test]
fn what_is_buffered_is_shared_and_not_copied() {
    let piece = Bytes::from(vec![7; 1000]);
    let mut first = ReplayBody::new(body([Does::Yield(piece.clone())]), 4096);
    let frame = |body: &mut Tee| {
        let poll = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = poll else {
            panic!("a frame")
        };
        frame.into_data().expect("data").as_ptr()
    };
    assert_eq!(frame(&mut first), piece.as_ptr());
    assert_eq!(frame(&mut first.replay().unwrap()), piece.as_ptr());
}

#[test]
fn an_attempt_that_was_taken_over_gets_an_error_and_is_woken_to_hear_it() {
    #[derive(Default)]
    struct Bell(AtomicUsize);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut first = ReplayBody::new(body([Does::Rest, data("all of it")]), 4096);
    let asleep = Pin::new(&mut first).poll_frame(&mut Context::from_waker(&waker));
    assert!(asleep.is_pending());
    let mut second = first.replay().unwrap();
    assert_eq!(bell.0.load(Ordering::Relaxed), 1);
    let said = Read::all(&mut first);
    assert_eq!(
        said.error.as_deref(),
        Some("a later attempt sends this request body now")
    );
    assert_eq!(Read::all(&mut second).text(), "all of it");
}

#[test]
fn a_replay_that_nobody_has_polled_takes_nothing_over() {
    let mut sent = ReplayBody::new(body([data("or"), data("der")]), 4096);
    let mut kept = sent.replay().unwrap();
    assert_eq!(poll(&mut sent, 1).text(), "or");
    assert_eq!(Read::all(&mut sent).text(), "der");
    assert_eq!(Read::all(&mut kept).text(), "order");
}

#[test]
fn a_call_that_has_ended_cuts_off_no_upload() {
    let mut sent = ReplayBody::new(body([data("or"), Does::Rest, data("der")]), 4096);
    let kept = sent.replay().unwrap();
    poll(&mut sent, 2);
    drop(kept);
    assert_eq!(Read::all(&mut sent).text(), "der");
}

#[test]
fn a_body_that_outgrows_its_bound_is_sent_on_and_lets_go_of_what_it_kept() {
    let pieces = [Bytes::from(vec![1; 500]), Bytes::from(vec![2; 500])];
    let mut first = ReplayBody::new(body(pieces.clone().map(Does::Yield)), 999);
    let mut kept = first.replay().unwrap();
    poll(&mut first, 1);
    assert!(!pieces[0].is_unique(), "buffered");
    poll(&mut first, 1);
    let [one, two] = pieces;
    assert!(one.is_unique() && two.is_unique(), "let go of at once");
    assert!(Read::all(&mut first).ended, "sent on to its end");
    assert!(first.replay().is_none() && kept.replay_after_answer().is_none());
    let error = Read::all(&mut kept).error.expect("never an empty body");
    assert!(error.contains("outgrown"), "{error}");
}

#[test]
fn a_body_of_just_the_bound_is_kept() {
    let whole = [500, 500].map(|length| Does::Yield(Bytes::from(vec![1; length])));
    let mut first = ReplayBody::new(body(whole), 1000);
    assert_eq!(Read::all(&mut first).bytes.len(), 1000);
    assert!(first.replay().is_some());
}

#[test]
fn crumbs_count_for_what_they_cost() {
    let crumbs = (0..1000).map(|_| data("x"));
    let mut first = ReplayBody::new(body(crumbs), 64 * 1024);
    assert_eq!(Read::all(&mut first).bytes.len(), 1000);
    assert!(first.replay().is_none());
}

/// 128 bytes each, beside the name and the value.
#[test]
fn trailers_count_for_what_they_cost() {
    let value: &'static str = "7".repeat(1000).leak();
    let cost = 128 + "x-sum".len() + value.len();
    for (bound, kept) in [(cost, true), (cost - 1, false)] {
        let mut first = ReplayBody::new(body([Does::Trail(value)]), bound);
        assert!(Read::all(&mut first).error.is_none());
        assert_eq!(first.replay().is_some(), kept, "{bound}");
    }
}

#[test]
fn a_body_that_failed_is_not_replayed_and_no_replay_pretends_that_it_ended() {
    let mut first = ReplayBody::new(body([data("half"), Does::Fail]), 4096);
    let mut kept = first.replay().unwrap();
    let sent = Read::all(&mut first);
    assert_eq!(sent.error.as_deref(), Some("the disk is gone"));
    assert!(first.replay().is_none() && kept.replay().is_none());
    for again in [&mut first, &mut kept] {
        assert!(!again.is_end_stream() && again.size_hint().exact().is_none());
        let error = Read::all(again).error.expect("an error again");
        assert!(error.contains("failed before"), "{error}");
    }
}

#[test]
fn a_body_that_panicked_has_failed() {
    let mut first = ReplayBody::new(body([data("half"), Does::Panic]), 4096);
    let mut kept = first.replay().unwrap();
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| Read::all(&mut first)));
    assert!(sent.is_err());
    assert!(kept.replay().is_none());
    assert!(Read::all(&mut kept).error.is_some());
}

#[test]
fn a_body_under_way_is_not_replayed_after_an_answer() {
    let mut first = ReplayBody::new(body([data("half"), Does::Rest, data("whole")]), 4096);
    let kept = first.replay().unwrap();
    assert!(kept.replay_after_answer().is_some(), "no attempt has begun");
    poll(&mut first, 1);
    assert!(
        kept.replay_after_answer().is_none(),
        "half of it is to come"
    );
    Read::all(&mut first);
    assert!(kept.replay_after_answer().is_some(), "it ended");
}

#[test]
fn a_body_whose_size_is_known_is_sent_once_its_data_are() {
    let mut first = ReplayBody::new(telling([data("whole"), Does::Rest, Does::Trail("9")]), 4096);
    let kept = first.replay().unwrap();
    assert_eq!(poll(&mut first, 1).text(), "whole");
    let mut second = kept.replay_after_answer().expect("all data were read");
    let again = Read::all(&mut second);
    assert_eq!(
        (again.text(), &again.trailers),
        ("whole", &Some(trailers("9")))
    );
}

#[test]
fn sizes_and_ends_are_told_right_in_every_state() {
    let mut first = ReplayBody::new(telling([data("or"), data("der")]), 4096);
    let mut kept = first.replay().unwrap();
    for left in [5, 3] {
        assert_eq!(first.size_hint().exact(), Some(left));
        assert_eq!(kept.size_hint().exact(), Some(5));
        assert!(!first.is_end_stream());
        poll(&mut first, 1);
    }
    assert!(first.is_end_stream() && !kept.is_end_stream());
    assert_eq!(first.size_hint().exact(), Some(0));
    Read::all(&mut kept);
    assert!(kept.is_end_stream() && !first.is_end_stream(), "taken over");

    let empty = ReplayBody::new(telling([]), 0);
    assert!(empty.is_end_stream() && empty.replay().is_some_and(|again| again.is_end_stream()));
}

fn a_script() -> impl Strategy<Value = Vec<Does>> {
    let piece = proptest::collection::vec(any::<u8>(), 0..300);
    let does = prop_oneof![
        4 => piece.prop_map(|bytes| Does::Yield(bytes.into())),
        1 => Just(Does::Rest),
    ];
    let end = prop_oneof![3 => Just(None), 2 => Just(Some(Does::Trail("7"))), 1 => Just(Some(Does::Fail))];
    (proptest::collection::vec(does, 0..12), end).prop_map(|(mut script, end)| {
        script.extend(end);
        script
    })
}

/// Polls the attempt of this number some times, and perhaps has another begin.
fn a_step() -> impl Strategy<Value = (usize, usize, bool)> {
    (0..8usize, 0..6usize, any::<bool>())
}

proptest! {
    #[test]
    fn in_whatever_order_attempts_are_polled_each_that_ends_has_read_it_all(
        script in a_script(),
        tells in any::<bool>(),
        bound in 0..4000usize,
        steps in proptest::collection::vec(a_step(), 0..40),
    ) {
        let yields = |does: &Does| match does {
            Does::Yield(data) => data.clone(),
            _ => Bytes::new(),
        };
        let whole: Vec<u8> = script.iter().flat_map(yields).collect();
        let ends_with = match script.last() {
            Some(Does::Trail(value)) => Some(trailers(value)),
            _ => None,
        };
        let fails = matches!(script.last(), Some(Does::Fail));
        let body = Scripted { script: script.into(), tells };
        let mut attempts = vec![(ReplayBody::new(body, bound), Read::default())];
        for (nth, polls, again) in steps {
            let nth = nth % attempts.len();
            let (body, read) = &mut attempts[nth];
            for _ in 0..polls {
                if read.ended || read.error.is_some() {
                    break;
                }
                if let Some(left) = body.size_hint().exact() {
                    prop_assert_eq!(read.bytes.len() as u64 + left, whole.len() as u64);
                }
                prop_assert!(read.bytes.len() as u64 + body.size_hint().lower() <= whole.len() as u64);
                read.one(body);
                prop_assert!(whole.starts_with(&read.bytes));
            }
            let next = if again { attempts[nth].0.replay() } else { None };
            attempts.extend(next.map(|body| (body, Read::default())));
        }
        for (body, mut read) in attempts {
            let mut body = body;
            while !read.ended && read.error.is_none() {
                read.one(&mut body);
            }
            if read.ended {
                prop_assert!(!fails);
                prop_assert_eq!(&read.bytes[..], &whole[..]);
                prop_assert_eq!(&read.trailers, &ends_with);
            }
        }
    }
}
