//! One client under measurement, and the requests that it sends.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

use crate::client::EmptyBody;

/// A number of requests in progress, spread over a number of tasks.
pub type Batch = Pin<Box<dyn Future<Output = ()>>>;

/// One row of the table.
pub struct Contender {
    pub name: &'static str,
    /// The row of the bare client that it is compared with.
    pub bare: usize,
    /// Sends `requests` requests from each of `tasks` tasks.
    pub send: Box<dyn Fn(usize, usize) -> Batch>,
}

impl Contender {
    /// A tower service that sends copies of `request`.
    pub fn new<S, B>(name: &'static str, service: S, request: Request<EmptyBody>) -> Self
    where
        S: Service<Request<EmptyBody>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Debug,
        S::Future: Send,
        B: http_body::Body<Error: Debug> + Send + Unpin + 'static,
    {
        let send = move |tasks, requests| -> Batch {
            let task = || tokio::spawn(send_all(service.clone(), request.clone(), requests));
            let tasks: Vec<_> = (0..tasks).map(|_| task()).collect();
            Box::pin(async move {
                for task in tasks {
                    task.await.expect("no request fails");
                }
            })
        };
        Self {
            name,
            bare: 0,
            send: Box::new(send),
        }
    }

    /// Compares it with another row than the first.
    pub fn compared_with(self, bare: usize) -> Self {
        Self { bare, ..self }
    }
}

/// Sends the requests one after the other and reads each response to its end.
async fn send_all<S, B>(mut service: S, request: Request<EmptyBody>, requests: usize)
where
    S: Service<Request<EmptyBody>, Response = Response<B>>,
    S::Error: Debug,
    B: http_body::Body<Error: Debug> + Unpin,
{
    for _ in 0..requests {
        let ready = service.ready().await.expect("the client is ready");
        let response = ready.call(request.clone()).await.expect("a response");
        assert!(response.status().is_success());
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            drop(frame.expect("a whole body"));
        }
    }
}
