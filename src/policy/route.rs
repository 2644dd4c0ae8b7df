//! Routes: the requests that a server may count apart from others of the same scope.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::LazyLock;

use super::RequestHead;
use crate::gate::BucketKey;
use crate::scope::Scope;

/// Requests that a server counts in one bucket; see [`Policy::route`](super::Policy::route).
///
/// A request waits for the bucket that the last response of its route named.
///
/// ```
/// use tower_backoff::policy::{RequestHead, Route};
///
/// fn route(uri: &'static str) -> Route {
///     let request = http::Request::get(uri).body(()).unwrap();
///     Route::of_path(&RequestHead::new(&request))
/// }
/// let one = route("https://api.example.com/v1/users/4711/posts?page=2");
/// let another = route("https://api.example.com/v1/users/12/posts");
/// assert_eq!(one, another);
/// assert_ne!(one, route("https://api.example.com/v1/users/12/friends"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    key: u64,
    resource: Option<u64>,
}

/// Paths come from anywhere, so that their hashes must not be foreseeable.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Route {
    /// The route of the method and the path, without the ids in it.
    pub fn of_path(request: &RequestHead<'_>) -> Self {
        let mut hasher = KEYS.build_hasher();
        request.method().hash(&mut hasher);
        for segment in segments(request) {
            let segment = if is_id(segment) { "*" } else { segment };
            segment.hash(&mut hasher);
        }
        Self {
            key: hasher.finish(),
            resource: None,
        }
    }

    /// The route with this name, such as the operation of a GraphQL query.
    pub fn named(name: &str) -> Self {
        Self {
            key: KEYS.hash_one(name),
            resource: None,
        }
    }

    /// Counts each resource apart, which is the first id in the path.
    #[must_use]
    pub fn per_resource(mut self, request: &RequestHead<'_>) -> Self {
        let id = segments(request).find(|segment| is_id(segment));
        self.resource = id.map(Scope::hash_resource);
        self
    }

    pub(crate) fn key(self) -> u64 {
        self.key
    }

    pub(crate) fn bucket_key(self) -> BucketKey {
        BucketKey {
            route: self.key,
            resource: self.resource,
        }
    }
}

fn segments<'a>(request: &RequestHead<'a>) -> impl Iterator<Item = &'a str> {
    request.uri().path().split('/')
}

/// Whether a segment is an id: a number, or long, or both; `v10` and `oauth2` are none.
fn is_id(segment: &str) -> bool {
    const LONG: usize = 20;
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let is_number = digits > 0 && digits == segment.len();
    let is_version = segment.starts_with('v') && digits + 1 == segment.len();
    is_number || segment.len() >= LONG || (digits >= 3 && !is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Route {
        let uri = format!("https://api.test{path}");
        let request = http::Request::get(uri).body(()).unwrap();
        let head = RequestHead::new(&request);
        Route::of_path(&head).per_resource(&head)
    }

    #[test]
    fn ids_are_blanked_and_words_are_not() {
        let same = |one, other| route(one).key() == route(other).key();
        assert!(same("/repos/1/issues", "/repos/22/issues"));
        assert!(same("/o/5f0c2a9b7e", "/o/123"));
        assert!(same("/k/abcdefghijklmnopqrstuvw", "/k/7"));
        assert!(!same("/v1/oauth2", "/v2/oauth2"));
        assert!(!same("/search/code", "/search/users"));
    }

    #[test]
    fn the_first_id_is_the_resource() {
        let one = route("/api/v10/channels/111111111111111111/messages/5");
        let same = route("/api/v10/channels/111111111111111111/messages/6");
        let other = route("/api/v10/channels/222222222222222222/messages/5");
        assert_eq!(one, same);
        assert_eq!(one.key(), other.key());
        assert_ne!(one.resource, other.resource);
        assert_eq!(route("/search").resource, None);
    }
}
