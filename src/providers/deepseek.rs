//! DeepSeek: <https://api-docs.deepseek.com/quick_start/error_codes>.

use http::header::AUTHORIZATION;

use crate::policy::Provider;

/// DeepSeek: limits on requests and on requests at once, by model.
///
/// * A refusal is a bare 429.
/// * 402 is final: the balance is spent.
/// * 500 and 503 (overloaded) are worth another try after a short wait.
///
/// No quota is declared, since the page names none.
pub fn deepseek() -> Provider {
    Provider::new("deepseek")
        .page("https://api-docs.deepseek.com/quick_start/error_codes")
        .per_credential([AUTHORIZATION])
        .final_on([402])
}
