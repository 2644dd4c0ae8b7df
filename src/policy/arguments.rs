//! Statuses as a caller writes them.

use http::StatusCode;

/// Checks a list of statuses, which are numbers or `StatusCode`s.
///
/// # Panics
///
/// If one of them has not three digits.
#[track_caller]
pub(super) fn statuses<S>(listed: impl IntoIterator<Item = S>) -> Vec<StatusCode>
where
    S: TryInto<StatusCode>,
{
    let checked: Result<Vec<_>, _> = listed.into_iter().map(TryInto::try_into).collect();
    match checked {
        Ok(statuses) => statuses,
        Err(_) => {
            panic!("a status has three digits: write it as in the provider's page, such as 503")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use http::header::RETRY_AFTER;

    use super::*;
    use crate::policy::{Provider, policy_fn};

    #[track_caller]
    fn panics(wrong: impl FnOnce() + std::panic::UnwindSafe, words: &str) {
        let panic = catch_unwind(wrong).expect_err(words);
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        assert!(text.unwrap().contains(words), "{words}");
    }

    #[test]
    fn statuses_are_numbers_or_status_codes() {
        let expected = Provider::new("test").retry_on([502, 503, 504]);
        let codes = [502, 503, 504].map(|code| StatusCode::from_u16(code).unwrap());
        let numbers: Vec<u16> = vec![502, 503, 504];
        assert_eq!(Provider::new("test").retry_on(codes), expected);
        assert_eq!(Provider::new("test").retry_on(numbers), expected);
        assert_eq!(Provider::new("test").retry_on(502..=504), expected);
        let gateways = [StatusCode::BAD_GATEWAY];
        drop(policy_fn(|_| crate::policy::Verdict::accept()).inspect_bodies_of(gateways));
        drop(policy_fn(|_| crate::policy::Verdict::accept()).inspect_bodies_of(400..500));
    }

    #[test]
    fn what_is_no_status_panics() {
        let three = "a status has three digits";
        panics(|| drop(Provider::new("test").retry_on([99])), three);
        panics(|| drop(Provider::new("test").final_on([1000])), three);
        panics(|| drop(Provider::new("test").inspect_bodies_of([0])), three);
        let policy = policy_fn(|_| crate::policy::Verdict::accept());
        panics(|| drop(policy.inspect_bodies_of([20])), three);
    }

    #[test]
    fn names_of_headers_are_texts_or_header_names() {
        let [text, name] = [
            Provider::new("test").attempt_header("Retry-After"),
            Provider::new("test").attempt_header(RETRY_AFTER),
        ];
        assert_eq!(text, name);
        let owned = Provider::new("test").attempt_header("retry-after".to_owned());
        assert_eq!(owned, name);
    }

    #[test]
    fn what_is_no_name_of_a_header_is_named() {
        let words = "\"retry after\" is no name of a header";
        let name = "retry after";
        panics(|| drop(Provider::new("test").attempt_header(name)), words);
        panics(|| drop(Provider::new("test").per_credential([name])), words);
        panics(|| drop(Provider::new("test").buckets_in(name)), words);
        panics(
            || drop(Provider::new("test").should_retry_header(name)),
            words,
        );
        panics(
            || drop(Provider::new("test").usage_from(name, "x-limit", [])),
            words,
        );
    }
}
