//! The scenes that each recipe plays: a refusal, a refusal past patience, a published quota.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use http::Response;
use tower_backoff::{BoxError, NotBefore};

use crate::{Limiter, Received, Server};

/// How many calls a window takes in the third scene, and how many are made.
const QUOTA: (usize, usize) = (5, 12);

/// Plays all scenes with a client of HTTP, each with a server and a client of its own.
pub async fn play<C>(
    name: &'static str,
    answer: impl Fn(&Received) -> Response<String> + Clone + Send + Sync + 'static,
    client: impl Fn(&Server) -> Result<C, BoxError>,
    call: impl AsyncFn(&C, &Server) -> Result<(), BoxError>,
) -> Result<(), BoxError> {
    let scenes = Scenes::of(name);
    let start = async || {
        let server = Server::start(answer.clone()).await;
        client(&server).map(|client| (server, client))
    };

    let (server, client) = start().await?;
    let limiter = &server.limiter;
    scenes
        .refused_call(limiter, async || call(&client, &server).await)
        .await?;
    let received = server.received();
    assert_eq!(
        received[0].body, received[1].body,
        "the second time the body is whole"
    );

    let (server, client) = start().await?;
    let limiter = &server.limiter;
    let call_it = async || call(&client, &server).await;
    scenes.past_patience(limiter, call_it, past_patience).await;

    let (server, client) = start().await?;
    let limiter = &server.limiter;
    scenes
        .published_quota(limiter, async || call(&client, &server).await)
        .await
}

/// The scenes of one recipe.
#[derive(Clone, Copy, Debug)]
pub struct Scenes {
    name: &'static str,
}

impl Scenes {
    /// The scenes of the recipe with this name.
    pub fn of(name: &'static str) -> Self {
        Self { name }
    }

    /// Plays a call that is refused once, with a wait of a second: it waits and is served.
    pub async fn refused_call(
        self,
        limiter: &Limiter,
        call: impl AsyncFn() -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        limiter.refuse(1, 1);
        let begun = Instant::now();
        call().await?;
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(1), "{took:?}");
        assert_eq!((limiter.calls(), limiter.refusals()), (2, 1));
        assert_eq!(limiter.early_calls(), 0);
        println!(
            "{}: a refused call waited {took:.1?} and was served",
            self.name
        );
        Ok(())
    }

    /// Plays two calls whose refusal names an hour: both end at once, and the second is not sent.
    ///
    /// `find` finds out from the error of the client when to come back.
    pub async fn past_patience(
        self,
        limiter: &Limiter,
        call: impl AsyncFn() -> Result<(), BoxError>,
        find: impl Fn(&BoxError) -> Option<Duration>,
    ) {
        limiter.refuse(1, 3_600);
        let begun = Instant::now();
        for _ in 0..2 {
            let error = call().await.expect_err("no call waits for an hour");
            let wait = find(&error).unwrap_or_else(|| panic!("no wait in {error:?}"));
            assert!((3_590..=3_640).contains(&wait.as_secs()), "{wait:?}");
        }
        assert_eq!((limiter.calls(), limiter.refusals()), (1, 1));
        assert!(begun.elapsed() < Duration::from_secs(5));
        println!(
            "{}: a refusal of an hour ended two calls at once, of which one was sent",
            self.name
        );
    }

    /// Plays more calls than a published quota takes: none is refused.
    pub async fn published_quota(
        self,
        limiter: &Limiter,
        call: impl AsyncFn() -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let (limit, calls) = QUOTA;
        limiter.publish(limit, Duration::from_secs(1));
        call().await?; // its response publishes the quota
        try_join_all((1..calls).map(|_| call())).await?;
        assert_eq!((limiter.calls(), limiter.refusals()), (calls, 0));
        println!(
            "{}: {calls} calls kept a quota of {limit} per second without a refusal",
            self.name
        );
        Ok(())
    }
}

/// The wait of a `NotBefore` behind the error of a client.
pub fn past_patience(error: &BoxError) -> Option<Duration> {
    NotBefore::find(&**error).map(NotBefore::wait)
}

/// Turns a status into an error, for clients that make none of it.
pub fn check(status: u16) -> Result<(), BoxError> {
    match status {
        200..300 => Ok(()),
        _ => Err(format!("status {status}").into()),
    }
}
