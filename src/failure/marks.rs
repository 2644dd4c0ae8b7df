//! The marks by which clients and layers say what their errors and responses prove.

use std::{error::Error, fmt};

use http::Uri;

use crate::error::BoxError;

/// Marks an error as one that occurred before anything was sent.
///
/// The retry layer sends such a request again whatever its method, returns what it took of a quota, and does not
/// count the failure against the server.
///
/// For clients and layers that know this although their error type is not known here: a load shedder, a circuit
/// breaker, a custom connector.
///
/// ```
/// use tower_backoff::failure::Unsent;
///
/// let error = Unsent::new("no free connection");
/// assert_eq!(error.to_string(), "request was not sent");
/// assert_eq!(error.get_ref().to_string(), "no free connection");
/// ```
// Not generic, since a source chain can only be searched for concrete types.
#[derive(Debug)]
pub struct Unsent(BoxError);

impl Unsent {
    /// Marks `error`.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }

    /// Returns the error that is marked.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// Takes the mark off and returns the error.
    pub fn into_inner(self) -> BoxError {
        self.0
    }
}

impl fmt::Display for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request was not sent")
    }
}

impl Error for Unsent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Marks an error as one that proves nothing about the request.
///
/// For clients and layers that may have sent other requests before the one that failed, such as those that follow
/// redirects.
///
/// ```
/// use tower_backoff::failure::{Delivery, Unproven, Unsent, delivery};
///
/// let second_hop = Unproven::new(Unsent::new("no free connection"));
/// assert_eq!(delivery(&second_hop), Delivery::Perhaps);
/// ```
#[derive(Debug)]
pub struct Unproven(BoxError);

impl Unproven {
    /// Marks `error`.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }

    /// Returns the error that is marked.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// Takes the mark off and returns the error.
    pub fn into_inner(self) -> BoxError {
        self.0
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request was perhaps sent")
    }
}

impl Error for Unproven {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Marks a response, in its extensions, as sent by another address than the request's.
///
/// For clients that follow redirects. What such a response says about waiting holds for the scope of its own address.
/// Since the first address has done its part, the request is sent again only if it is idempotent.
///
/// ```
/// use tower_backoff::failure::Redirected;
///
/// let mut response = http::Response::new("slow down");
/// response.extensions_mut().insert(Redirected::new("https://files.example.com/7".parse()?));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Redirected(Uri);

impl Redirected {
    /// Creates the mark from the address that gave the response.
    pub const fn new(uri: Uri) -> Self {
        Self(uri)
    }

    /// Returns the address that gave the response.
    pub const fn uri(&self) -> &Uri {
        &self.0
    }
}

impl fmt::Debug for Redirected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path and the query of a file are often a key to it.
        f.debug_tuple("Redirected").field(&self.0.host()).finish()
    }
}
