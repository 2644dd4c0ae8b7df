//! AWS, from the guide and the source of its official client:
//!
//! * <https://docs.aws.amazon.com/boto3/latest/guide/retries.html>
//! * <https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py>

use std::time::Duration;

use crate::hint::Unit;
use crate::policy::Provider;

/// AWS: limits by account, region and operation, which most services answer with 400 and a code.
///
/// * A refusal names no wait, but for `x-amz-retry-after` in milliseconds. It is told by its code:
///   `ThrottlingException` and its kin, whatever the status. The code is in the body, or in `x-amzn-errortype`.
/// * `TransactionInProgressException` and `PriorRequestNotComplete` concern one resource, so that only this
///   call has to come again.
/// * The official client waits at most 20 s between two tries, which is the bare wait here.
///
/// The official client also tries again after `LimitExceededException`. It is not among the codes, because
/// many services say it of a number of resources, which no wait lifts. A key is not told apart, since the
/// `Authorization` of AWS is another one with each request; each service and region has a host of its own.
pub fn aws() -> Provider {
    Provider::new("aws")
        .page("https://docs.aws.amazon.com/boto3/latest/guide/retries.html")
        .bare_429_wait(Duration::from_secs(20))
        .header_unit("x-amz-retry-after", Unit::Millis)
        .throttled_codes([
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottledException",
            "RequestThrottled",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "SlowDown",
            "EC2ThrottledException",
        ])
        .code_headers(["x-amzn-errortype"])
        .retried_codes(["TransactionInProgressException", "PriorRequestNotComplete"])
}
