//! The layer as a middleware of `reqwest-middleware` (feature `reqwest-middleware`).
//!
//! It replaces `reqwest-retry` in one line:
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
//! `Retry-After` and the 60 seconds after a 429 without a header then apply, and all clones of the client share one
//! gate. Settings of one request ([`Patience`](crate::Patience), [`Cost`](crate::Cost) and others) go into its
//! extensions, with `with_extension`.
//!
//! Errors of a client that follows redirects prove nothing for methods that are not idempotent; see
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
use crate::error::{BoxError, CostAboveQuota, NotBefore, chain};
use crate::failure::{Unproven, Unsent};
use crate::layer::RetryLayer;

/// A [`RetryLayer`] as a middleware; middlewares added after it run for each attempt.
#[derive(Clone, Debug)]
pub struct RetryMiddleware {
    layer: RetryLayer,
    follows_redirects: bool,
}

impl RetryMiddleware {
    /// Wraps a layer, for a client that may follow redirects.
    pub fn new(layer: RetryLayer) -> Self {
        Self {
            layer,
            follows_redirects: true,
        }
    }

    /// Declares that the client was built with `redirect::Policy::none()`.
    ///
    /// A failed connection then proves that nothing was sent, so that a POST is sent again, too. And a response of
    /// another address is no redirect: a later middleware has changed the address, to sign it.
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

// The trait requires it.
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

/// The source of an error that a middleware returned.
enum ErrorSource {
    Client,
    /// A middleware marked the error as [`Unsent`].
    Unsent,
}

/// Finds the outermost error of a known type.
///
/// The source chain cannot be used: this error type returns the source of the inner error as its own, and so hides
/// the inner error.
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

/// Converts an error back to that of the client or of the middlewares.
fn to_error(error: BoxError) -> Error {
    let error = match unwrap_unproven(error).downcast::<Unsent>() {
        Ok(unsent) => unsent.into_inner(),
        Err(error) => error,
    };
    let error = match error.downcast::<Error>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    // With their own types, so that callers can match them.
    let error = match error.downcast::<NotBefore>() {
        Ok(error) => return Error::middleware(*error),
        Err(error) => error,
    };
    match error.downcast::<CostAboveQuota>() {
        Ok(error) => Error::middleware(*error),
        Err(error) => Error::Middleware(anyhow::Error::from_boxed(error)),
    }
}

/// The remaining middlewares and the client, as a service.
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
