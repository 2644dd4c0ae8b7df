//! The layer as a middleware of `reqwest-middleware` (feature `reqwest-middleware`).
//!
//! Who uses `reqwest-retry` changes one line:
//!
//! ```no_run
//! use reqwest_middleware::ClientBuilder;
//! use tower_backoff::{RetryLayer, client::reqwest_middleware::RetryMiddleware, providers};
//!
//! let client = ClientBuilder::new(reqwest::Client::new())
//!     .with(RetryMiddleware::new(RetryLayer::new(providers::wolfeo())))
//!     .build();
//! # let _ = client;
//! ```
//!
//! From then on `Retry-After` and the 60 seconds after a bare 429 hold, and all clones of the client share
//! one gate. What is said about one request ([`Patience`](crate::Patience), [`Cost`](crate::Cost) ...) goes
//! into its extensions, with `with_extension`.
//!
//! A client beneath that follows redirects proves nothing for methods that must not be sent twice; see
//! [`client::reqwest`](super::reqwest#redirects), and [`RetryMiddleware::without_redirects`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use ::reqwest::{Request, Response};
use ::reqwest_middleware::{Error, Middleware, Next, Result};
use http::Extensions;
use tower_layer::Layer;
use tower_service::Service;

use super::reqwest::{ReqwestBody, to_http, to_http_request, unwrap_unproven};
use crate::error::{BoxError, CostAboveQuota, NotBefore};
use crate::failure::{Unproven, Unsent, chain};
use crate::layer::RetryLayer;

/// A [`RetryLayer`] among middlewares. Those added after it are run for each attempt.
#[derive(Clone, Debug)]
pub struct RetryMiddleware {
    layer: RetryLayer,
    follows_redirects: bool,
}

impl RetryMiddleware {
    /// The layer, with all its settings, around a client that may follow redirects.
    pub fn new(layer: RetryLayer) -> Self {
        Self {
            layer,
            follows_redirects: true,
        }
    }

    /// Says of the client that it was built with `redirect::Policy::none()`.
    ///
    /// Then a connection that cannot be made proves that nothing was sent, so that a POST goes again, too. And an answer
    /// of another address is no redirect: a middleware that comes after has written the address anew, to sign it.
    ///
    /// ```
    /// use reqwest_middleware::ClientBuilder;
    /// use tower_backoff::{RetryLayer, client::reqwest_middleware::RetryMiddleware, providers};
    ///
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    /// let backoff = RetryMiddleware::new(RetryLayer::new(providers::wolfeo())).without_redirects();
    /// let client = ClientBuilder::new(client.build()?).with(backoff).build();
    /// # let _ = client;
    /// # Ok::<(), reqwest::Error>(())
    /// ```
    #[must_use]
    pub fn without_redirects(mut self) -> Self {
        self.follows_redirects = false;
        self
    }
}

// Needed by the trait itself.
#[async_trait::async_trait]
impl Middleware for RetryMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let mut request = to_http_request(request)?;
        request.extensions_mut().extend(extensions.clone());
        let shared = Arc::new(Mutex::new(std::mem::take(extensions)));
        let next_service = NextService {
            next,
            extensions: Arc::clone(&shared),
            follows_redirects: self.follows_redirects,
        };
        let mut service = self.layer.layer(next_service);
        let response = service.call(request).await;
        *extensions = std::mem::take(&mut *shared.lock().unwrap_or_else(PoisonError::into_inner));
        let response = response.map_err(to_error)?;
        Ok(Response::from(response.map(::reqwest::Body::wrap)))
    }
}

/// Where an error comes from that a middleware has returned.
enum ErrorSource {
    Client,
    /// A middleware says itself that nothing was sent.
    Unsent,
}

/// Looks for the outermost error that is known here. It takes the place of a look at the sources, since this type of
/// error tells the source of the one within, and so hides that one.
fn error_source(error: &Error) -> Option<ErrorSource> {
    let Error::Middleware(error) = error else {
        return Some(ErrorSource::Client);
    };
    chain(error.as_ref()).find_map(|error| {
        if let Some(error) = error.downcast_ref() {
            error_source(error)
        } else if error.is::<::reqwest::Error>() {
            Some(ErrorSource::Client)
        } else {
            error.is::<Unsent>().then_some(ErrorSource::Unsent)
        }
    })
}

/// The errors of the client and of the middlewares come back as they were.
fn to_error(error: BoxError) -> Error {
    let error = match unwrap_unproven(error).downcast::<Unsent>() {
        Ok(unsent) => unsent.into_inner(),
        Err(error) => error,
    };
    let error = match error.downcast::<Error>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    // By their own types, so that they can be told apart by whoever gets them.
    let error = match error.downcast::<NotBefore>() {
        Ok(error) => return Error::middleware(*error),
        Err(error) => error,
    };
    match error.downcast::<CostAboveQuota>() {
        Ok(error) => Error::middleware(*error),
        Err(error) => Error::Middleware(anyhow::Error::from_boxed(error)),
    }
}

/// The middlewares that come after, and the client.
#[derive(Clone)]
struct NextService<'a> {
    next: Next<'a>,
    extensions: Arc<Mutex<Extensions>>,
    follows_redirects: bool,
}

impl fmt::Debug for NextService<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextService").finish_non_exhaustive()
    }
}

type NextFuture<'a> =
    dyn Future<Output = std::result::Result<http::Response<::reqwest::Body>, BoxError>> + Send + 'a;

impl<'a> Service<http::Request<ReqwestBody>> for NextService<'a> {
    type Response = http::Response<::reqwest::Body>;
    type Error = BoxError;
    type Future = Pin<Box<NextFuture<'a>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<ReqwestBody>) -> Self::Future {
        let Self {
            next,
            extensions,
            follows_redirects,
        } = self.clone();
        Box::pin(async move {
            let lock = || extensions.lock().unwrap_or_else(PoisonError::into_inner);
            let (head, body) = request.into_parts();
            let mut own = lock().clone();
            let request = body.into_request(head).map_err(Error::Reqwest)?;
            let requested = follows_redirects.then(|| request.url().clone());
            let response = next.run(request, &mut own).await;
            *lock() = own;
            match response {
                Ok(response) => Ok(to_http(response, requested.as_ref())),
                Err(error) => Err(match error_source(&error) {
                    Some(ErrorSource::Client) if follows_redirects => Unproven::new(error).into(),
                    Some(ErrorSource::Unsent) => Unsent::new(error).into(),
                    _ => error.into(),
                }),
            }
        })
    }
}
