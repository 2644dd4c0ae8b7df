//! Failures that no retry mends.

use std::error::Error;
use std::fmt::{self, Write};

use crate::error::chain;

/// Whether no retry mends a failure, so that the call ends at once.
///
/// These are known:
///
/// * a certificate that is not trusted, not valid any more or made for another name, of the server or of the client
///   (rustls, with the feature `rustls`; OpenSSL, which native-tls is on Linux);
/// * an address whose scheme the connector does not speak (hyper-util's `HttpConnector`, hyper-rustls), or that reqwest
///   does not take (with the feature `reqwest`);
/// * a request that hyper-util's client does not send: without a host, or of a version or method that it does not speak;
/// * redirects without an end, of a client of reqwest that follows them;
/// * a response whose head is too large for hyper.
///
/// What other libraries of TLS say of a certificate, such as those of macOS and Windows, is not known: a policy can say it
/// of them.
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
        .is_some_and(|error: &::reqwest::Error| error.is_builder() || error.is_redirect())
    {
        return true;
    }
    #[cfg(feature = "hyper")]
    if is_about_the_scheme(error) || is_about_the_request(error) || is_too_large(error) {
        return true;
    }
    says_bad_certificate(&Beginning::of(error).0)
}

/// The beginning of an error's text: the whole may be long, and writing it may fail.
struct Beginning(String);

impl Beginning {
    /// In characters.
    const LONGEST: usize = 512;

    fn of(error: &dyn Error) -> Self {
        let mut beginning = Self(String::new());
        // It fails where the text is longer, too: what was written so far is enough.
        let _ = write!(beginning, "{error}");
        beginning
    }
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = Self::LONGEST.saturating_sub(self.0.len());
        self.0.extend(text.chars().take(room));
        if self.0.len() < Self::LONGEST {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Whether OpenSSL says that a certificate was rejected, by us or by the server.
///
/// Its text is read since its crates are no dependencies: `error:<code>:SSL routines:<function>:<reason>:<file>..`.
fn says_bad_certificate(text: &str) -> bool {
    let Some((_, said)) = text
        .strip_prefix("error:")
        .and_then(|text| text.split_once(":SSL routines:"))
    else {
        return false;
    };
    let reason = said.split(':').nth(1).unwrap_or_default();
    reason == "certificate verify failed"
        || reason.split_once(" alert ").is_some_and(|(_, alert)| {
            alert == "unknown ca" || alert.split(' ').any(|word| word == "certificate")
        })
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

/// Whether hyper-util's client does not send such a request, which it says in no other way than by its text.
#[cfg(feature = "hyper")]
pub(super) fn is_about_the_request(error: &(dyn Error + 'static)) -> bool {
    use hyper_util::client::legacy;
    let of_client = error.downcast_ref::<legacy::Error>();
    of_client.is_some_and(|error| error.to_string().starts_with("client error (User"))
}

/// Whether the head of the response is larger than hyper reads, for which a client has no other sign than the text.
#[cfg(feature = "hyper")]
fn is_too_large(error: &(dyn Error + 'static)) -> bool {
    let of_hyper = error.downcast_ref::<hyper::Error>();
    of_hyper
        .is_some_and(|error| error.is_parse() && error.to_string() == "message head is too large")
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An error whose text goes on and on, and then fails.
    #[derive(Debug)]
    struct EndlessText(&'static str);

    impl fmt::Display for EndlessText {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for _ in 0..1_000_000 {
                f.write_str(self.0)?;
            }
            Err(fmt::Error)
        }
    }

    impl Error for EndlessText {}

    #[test]
    fn an_error_that_cannot_be_written_is_not_permanent_and_no_panic() {
        assert!(!is_permanent(&EndlessText("")));
        assert!(!is_permanent(&EndlessText("more and more ")));
        let mistaken = "error:1:SSL routines:f:certificate verify failed:x:1: ";
        assert!(is_permanent(&EndlessText(mistaken)));
        let length = Beginning::of(&EndlessText("0123456789")).0.len();
        assert_eq!(length, Beginning::LONGEST);
    }

    #[test]
    fn the_texts_of_openssl_about_certificates_are_known_and_others_are_not() {
        for (text, expected) in [
            (
                "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed:\
                 ../ssl/statem/statem_clnt.c:1889: (self-signed certificate)",
                true,
            ),
            (
                "error:1416F086:SSL routines:tls_process_server_certificate:certificate verify failed:\
                 ssl/statem/statem_clnt.c:1921:",
                true,
            ),
            (
                "error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:\
                 ../ssl/record/rec_layer_s3.c:1586:SSL alert number 48",
                true,
            ),
            (
                "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:\
                 ../ssl/record/rec_layer_s3.c:1586:SSL alert number 116",
                true,
            ),
            (
                "error:0A000412:SSL routines:ssl3_read_bytes:ssl/tls alert bad certificate:\
                 ../ssl/record/rec_layer_s3.c:907:SSL alert number 42",
                true,
            ),
            // Failures that another server behind the same name, or the same one a moment later, may not have.
            (
                "error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:\
                 ../ssl/record/rec_layer_s3.c:1586:SSL alert number 40",
                false,
            ),
            (
                "error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:../ssl/record/rec_layer_s3.c:303:",
                false,
            ),
            // What another library or a peer wrote.
            ("certificate verify failed", false),
            (
                "upstream said: error:1:SSL routines:f:certificate verify failed:x",
                false,
            ),
            ("error:", false),
            ("error:1:SSL routines:", false),
            ("", false),
        ] {
            assert_eq!(says_bad_certificate(text), expected, "{text}");
        }
    }
}
