//! Failures that no retry mends.

use std::error::Error;

use crate::error::chain;

/// Whether no retry mends a failure, so that the call ends at once.
///
/// These are known:
///
/// * a certificate that is not trusted, not valid any more or made for another name, of the server or of the client
///   (rustls, with the feature `rustls`);
/// * an address whose scheme the connector does not speak (hyper-util's `HttpConnector`, hyper-rustls), or that reqwest
///   does not take (with the feature `reqwest`).
///
/// Every other failure may pass, a host that is not known included: resolvers fail for a moment, too, and most of them
/// do not say which it was.
///
/// The layer asks this about the errors of the client: such a call ends with
/// [`StopReason::Permanent`](crate::StopReason::Permanent), and does not count against the server. A policy of your
/// own says it with [`Verdict::permanent`](crate::policy::Verdict::permanent).
///
/// ```
/// use tower_backoff::failure::is_permanent;
///
/// let lost = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
/// assert!(!is_permanent(&lost));
/// ```
pub fn is_permanent(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(is_permanent_itself)
}

fn is_permanent_itself(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "rustls")]
    if error.downcast_ref().is_some_and(is_about_certificates) {
        return true;
    }
    #[cfg(feature = "reqwest")]
    if error
        .downcast_ref()
        .is_some_and(::reqwest::Error::is_builder)
    {
        return true;
    }
    #[cfg(feature = "hyper")]
    return is_about_the_scheme(error);
    #[cfg(not(feature = "hyper"))]
    {
        let _ = error;
        false
    }
}

/// Whether a certificate was rejected, by us or by the server.
#[cfg(feature = "rustls")]
fn is_about_certificates(error: &rustls::Error) -> bool {
    use rustls::AlertDescription::{
        BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, UnknownCA, UnsupportedCertificate,
    };
    match error {
        rustls::Error::InvalidCertificate(_) => true,
        rustls::Error::AlertReceived(alert) => matches!(
            alert,
            BadCertificate
                | CertificateExpired
                | CertificateRequired
                | CertificateRevoked
                | CertificateUnknown
                | UnknownCA
                | UnsupportedCertificate
        ),
        _ => false,
    }
}

/// Whether a connector does not speak the scheme of an address.
#[cfg(feature = "hyper")]
fn is_about_the_scheme(error: &(dyn Error + 'static)) -> bool {
    use hyper_util::client::legacy::connect::HttpConnector;
    use tower_service::Service;
    // The type has no public name. It has no cause if the address is at fault, and one in every other case.
    type ConnectError = <HttpConnector as Service<http::Uri>>::Error;
    match error.downcast_ref::<ConnectError>() {
        Some(error) => error.source().is_none(),
        // hyper-rustls has no type for it.
        None => error.downcast_ref().is_some_and(says_unsupported_scheme),
    }
}

/// Whether it is the error of hyper-rustls about a scheme, which has a text only.
#[cfg(feature = "hyper")]
fn says_unsupported_scheme(error: &std::io::Error) -> bool {
    if error.kind() != std::io::ErrorKind::Other {
        return false;
    }
    let text = error.to_string();
    text.starts_with("unsupported scheme ") || text == "missing scheme"
}
