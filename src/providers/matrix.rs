//! Matrix, the client-server API: <https://spec.matrix.org/latest/client-server-api/>.

use http::header::AUTHORIZATION;

use crate::hint::{Field, Unit};
use crate::policy::Provider;

/// Matrix, any homeserver: limits that its operator sets.
///
/// * A refusal is a 429 with the code `M_LIMIT_EXCEEDED`. The wait is in `Retry-After`, or in the body in
///   milliseconds: `retry_after_ms`.
///
/// No quota is declared, since each homeserver has its own.
pub fn matrix() -> Provider {
    Provider::new("matrix")
        .page("https://spec.matrix.org/latest/client-server-api/")
        .per_credential([AUTHORIZATION])
        .wait_from(Field::json("retry_after_ms").unit(Unit::Millis))
}
