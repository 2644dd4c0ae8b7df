//! Scopes: which calls share a gate.

mod name;
mod secret;

pub use self::name::ScopeName;
#[cfg(feature = "file")]
pub(crate) use self::secret::checksum;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use self::secret::KeyedHash;

/// A set of calls that share one rate limit, and so one gate.
///
/// The default is the *origin* of the request: scheme, host and port. A provider that counts per API key adds the
/// credential, of which only a keyed hash is stored. A provider with several hosts joins them under a name.
///
/// ```
/// use tower_backoff::Scope;
///
/// let scope = Scope::origin(&"https://user:secret@API.example.com/v1?key=1".parse()?);
/// assert_eq!(scope.to_string(), "https://api.example.com");
/// assert_eq!(scope, Scope::origin(&"https://api.example.com:443/other".parse()?));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    base: ScopeBase,
    key: Option<[u8; 16]>,
    bucket: Option<Bucket>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Bucket {
    name: Arc<str>,
    /// A hash of the resource, if each resource is counted apart.
    resource: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum ScopeBase {
    Single,
    Named(Arc<str>),
    Origin(Origin),
}

impl Scope {
    /// Creates a scope for all calls of the layer.
    pub fn single() -> Self {
        ScopeBase::Single.into()
    }

    /// Creates a scope with a name, which calls to any host can share.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        ScopeBase::Named(name.into()).into()
    }

    /// Creates the scope of an origin: scheme, lower-case host and port, never the user info.
    ///
    /// A `Uri` without a host (a service in this process) belongs to [`Scope::single`].
    pub fn origin(uri: &Uri) -> Self {
        match Origin::of(uri.scheme(), uri.authority()) {
            Some(origin) => ScopeBase::Origin(origin).into(),
            None => Self::single(),
        }
    }

    /// Whether this is the origin of an address, compared letter for letter.
    ///
    /// The check is cheap, and a "no" proves nothing.
    #[inline]
    pub(crate) fn is_exactly(&self, uri: &Uri) -> bool {
        match (&self.base, uri.authority()) {
            (ScopeBase::Origin(origin), Some(authority)) => {
                self.key.is_none()
                    && self.bucket.is_none()
                    && origin.authority.as_str() == authority.as_str()
                    && origin.scheme.as_ref() == uri.scheme()
            }
            _ => false,
        }
    }

    /// Creates the scope of an origin, from the `Host` header if the `Uri` names no host.
    pub(crate) fn of_request(uri: &Uri, headers: &HeaderMap) -> Self {
        if uri.authority().is_some() {
            return Self::origin(uri);
        }
        let host = headers
            .get(header::HOST)
            .and_then(|host| Authority::try_from(host.as_bytes()).ok());
        match Origin::of(uri.scheme(), host.as_ref()) {
            Some(origin) => ScopeBase::Origin(origin).into(),
            None => Self::single(),
        }
    }

    /// Narrows the scope to the callers with this secret.
    ///
    /// Only a hash is stored. It is made with a key that is drawn when the process starts, or that
    /// [processes share](Self::hash_with), and is never printed whole.
    ///
    /// ```
    /// use tower_backoff::Scope;
    ///
    /// let (mine, yours) = (Scope::single().keyed(b"sk-1"), Scope::single().keyed(b"sk-2"));
    /// assert_ne!(mine, yours);
    /// ```
    ///
    /// Several secrets combine, such as a key and a tenant:
    ///
    /// ```
    /// use tower_backoff::Scope;
    ///
    /// let key = Scope::single().keyed(b"sk-1");
    /// assert_ne!(key.clone().keyed(b"tenant-1"), key.clone().keyed(b"tenant-2"));
    /// assert_ne!(key.clone().keyed(b"tenant-1"), key);
    /// ```
    #[must_use]
    pub fn keyed(mut self, secret: &[u8]) -> Self {
        let before = self.key.as_ref().map_or(&[][..], |key| key);
        self.key = Some(KeyedHash::new().part(before).part(secret).finish());
        self
    }

    /// Hashes credentials and the names of scopes under a secret that processes share.
    ///
    /// Then all of them agree on the names. Returns whether that is so: a process hashes under one secret only, and the first one stays. It is too late when
    /// a scope was [`keyed`](Self::keyed) before. A ledger that processes share calls this; who writes a
    /// [fleet](crate::fleet) of their own calls it first of all.
    ///
    /// The secret should have at least 16 random bytes. Who knows it can try out credentials against the names.
    ///
    /// ```
    /// use tower_backoff::Scope;
    ///
    /// assert!(Scope::hash_with(b"the same bytes in all processes"));
    /// assert!(!Scope::hash_with(b"other bytes"));
    /// ```
    #[must_use]
    pub fn hash_with(secret: &[u8]) -> bool {
        secret::share(secret)
    }

    /// Returns the name under which a policy's calls of this scope are known to a fleet.
    pub(crate) fn name(&self, policy: &str) -> ScopeName {
        let hash = KeyedHash::new().part(policy.as_bytes());
        let hash = match &self.base {
            ScopeBase::Single => hash.part(b"single"),
            ScopeBase::Named(name) => hash.part(b"named").part(name.as_bytes()),
            ScopeBase::Origin(origin) => {
                let address = origin.to_string();
                hash.part(b"origin").part(address.as_bytes())
            }
        };
        let hash = hash.part(self.key.as_ref().map_or(&[], |key| key));
        let hash = match &self.bucket {
            Some(Bucket { name, resource }) => {
                let resource = resource.map(u64::to_le_bytes);
                hash.part(name.as_bytes())
                    .part(resource.as_ref().map_or(&[], |key| key))
            }
            None => hash,
        };
        ScopeName(hash.finish())
    }

    /// Returns the scope of a bucket; `None` for a scope.
    pub(crate) fn parent(&self) -> Option<Self> {
        self.bucket.as_ref().map(|_| self.without_bucket())
    }

    /// Hashes the id of a resource, as all processes with the same secret do.
    pub(crate) fn hash_resource(id: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = KeyedHash::new().part(id.as_bytes()).finish();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Creates the scope of a bucket, as the server names it, for one resource or for all.
    pub(crate) fn bucket(&self, name: &Arc<str>, resource: Option<u64>) -> Self {
        let name = Arc::clone(name);
        Self {
            bucket: Some(Bucket { name, resource }),
            ..self.without_bucket()
        }
    }

    /// Returns the scope that a bucket belongs to.
    pub(crate) fn without_bucket(&self) -> Self {
        Self {
            base: self.base.clone(),
            key: self.key,
            bucket: None,
        }
    }

    /// Narrows the scope by the first of these headers that the request has.
    pub(crate) fn keyed_by(self, headers: &HeaderMap, names: &[HeaderName]) -> Self {
        match names.iter().find_map(|name| headers.get(name)) {
            Some(value) => self.keyed(HeaderValue::as_bytes(value)),
            None => self,
        }
    }
}

impl From<ScopeBase> for Scope {
    fn from(base: ScopeBase) -> Self {
        Self {
            base,
            key: None,
            bucket: None,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.base {
            ScopeBase::Single => f.write_str("the layer"),
            ScopeBase::Named(name) => f.write_str(name),
            ScopeBase::Origin(origin) => origin.fmt(f),
        }?;
        match self.key {
            // Sixteen bits distinguish two keys in a log and reveal neither.
            Some([a, b, ..]) => write!(f, " (key {a:02x}{b:02x})"),
            None => Ok(()),
        }?;
        match &self.bucket {
            Some(Bucket {
                name,
                resource: None,
            }) => write!(f, ", bucket {name}"),
            Some(Bucket {
                name,
                resource: Some(key),
            }) => {
                write!(f, ", bucket {name} (resource {:04x})", *key as u16)
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({self})")
    }
}

/// Scheme, host and port.
///
/// The authority is kept as it was written, since cloning it allocates nothing. All else here only looks at its host
/// and port.
#[derive(Clone)]
struct Origin {
    scheme: Option<Scheme>,
    authority: Authority,
}

impl Origin {
    fn of(scheme: Option<&Scheme>, authority: Option<&Authority>) -> Option<Self> {
        Some(Self {
            scheme: scheme.cloned(),
            authority: authority?.clone(),
        })
    }

    fn scheme(&self) -> &str {
        self.scheme.as_ref().map_or("", Scheme::as_str)
    }

    fn host(&self) -> &str {
        self.authority.host()
    }

    fn port(&self) -> Option<u16> {
        self.authority
            .port_u16()
            .or_else(|| self.scheme.as_ref().and_then(default_port))
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        // They are usually written alike, and then need not be parsed.
        let alike = self.authority.as_str() == other.authority.as_str();
        let same_port_and_host =
            || self.port() == other.port() && self.host().eq_ignore_ascii_case(other.host());
        self.scheme() == other.scheme() && (alike || same_port_and_host())
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let host = self.host();
        if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            host.to_ascii_lowercase().hash(state);
        } else {
            host.hash(state);
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        let host = self.host().bytes().map(|b| b.to_ascii_lowercase() as char);
        host.into_iter().try_for_each(|c| write!(f, "{c}"))?;
        match self.authority.port_u16() {
            Some(port) if self.scheme.as_ref().and_then(default_port) != Some(port) => {
                write!(f, ":{port}")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn origin(uri: &str) -> Scope {
        Scope::origin(&uri.parse().unwrap())
    }

    #[track_caller]
    fn same(a: &str, b: &str) {
        assert_eq!(origin(a), origin(b));
        assert_eq!(HashSet::from([origin(a), origin(b)]).len(), 1);
    }

    #[track_caller]
    fn other(a: &str, b: &str) {
        assert_ne!(origin(a), origin(b));
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        same("https://api.test/a?b", "https://API.test:443/c");
        same("http://api.test:80/", "http://api.test/");
        same("https://me:secret@api.test/", "https://api.test/");
        other("https://api.test/", "http://api.test/");
        other("https://api.test/", "https://api.test:8443/");
        other("https://api.test/", "https://api.test.evil/");
    }

    #[test]
    fn a_scope_never_prints_user_info_path_or_query() {
        let scope = origin("https://me:secret@api.test:8443/path?token=secret").keyed(b"secret");
        let printed = format!("{scope} {scope:?}");
        assert!(printed.contains("https://api.test:8443"));
        for secret in ["me", "secret", "path", "token"] {
            assert!(!printed.contains(secret), "{printed}");
        }
    }

    #[test]
    fn a_request_without_a_host_in_its_uri_is_known_by_its_host_header() {
        let mut headers = HeaderMap::new();
        let uri = Uri::from_static("/v1");
        assert_eq!(Scope::of_request(&uri, &headers), Scope::single());
        headers.insert(header::HOST, HeaderValue::from_static("api.test"));
        assert_eq!(Scope::of_request(&uri, &headers).to_string(), "api.test");
        headers.insert(header::HOST, HeaderValue::from_static("not a host"));
        assert_eq!(Scope::of_request(&uri, &headers), Scope::single());
    }
}
