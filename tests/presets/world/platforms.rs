//! Platforms of many APIs: Google APIs, AWS, Microsoft Graph, Azure Resource Manager, Algolia.

use super::*;

#[test]
fn google_apis() {
    // Recorded by users of Drive and Calendar.
    let reason = |reason: &str| {
        format!(
            r#"{{"error":{{"errors":[{{"domain":"usageLimits","reason":"{reason}","message":"m"}}],"code":403,"message":"m"}}}}"#
        )
    };
    const RETRY_INFO: &str = r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}"#;
    let table = Table::for_posts(providers::google_apis());
    for limited in [
        "rateLimitExceeded",
        "userRateLimitExceeded",
        "quotaExceeded",
    ] {
        table.row(403, &[], &reason(limited), HeldAtLeast(60));
    }
    table.recorded("gmail-403", HeldAtLeast(60));
    table.recorded("gmail-in-body", HeldAsSaid(243));
    table.recorded("google-403-permission", Final);
    table.row(403, &[], &reason("insufficientPermissions"), Final);
    table.row(403, &[], &reason("dailyLimitExceeded"), Final);
    table.row(429, &[], &reason("rateLimitExceeded"), HeldAtLeast(60));
    // Documented: the shape of google.rpc.RetryInfo.
    table.row(429, &[], RETRY_INFO, HeldAsSaid(37));
    table.row(503, &[], "", Final);
    Table::of(providers::google_apis()).row(503, &[], "", Retried);
}

#[test]
fn aws() {
    // From the list of codes in the source of the official client; `__type` is how services with JSON name them.
    let table = Table::for_posts(providers::aws());
    for code in [
        "ThrottlingException",
        "ThrottledException",
        "Throttling",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "SlowDown",
        "EC2ThrottledException",
    ] {
        let body = format!(r#"{{"__type":"{code}","message":"Rate exceeded"}}"#);
        table.row(400, &[], &body, HeldAtLeast(20));
        table.row(503, &[], &body, HeldAtLeast(20));
    }
    for code in ["TransactionInProgressException", "PriorRequestNotComplete"] {
        table.row(400, &[], &format!(r#"{{"__type":"{code}"}}"#), Retried);
    }
    // The client reads the header first, and what stands before a colon: many services leave the code out of the body.
    let named = |code| [("x-amzn-ErrorType", code)];
    let message = r#"{"message":"Rate exceeded"}"#;
    for code in [
        "ThrottlingException",
        "TooManyRequestsException:http://internal.amazon.com/coral/com.amazonaws.lambda/",
        "com.amazonaws.dynamodb.v20120810#ThrottlingException",
    ] {
        table.row(400, &named(code), message, HeldAtLeast(20));
    }
    table.row(400, &named("PriorRequestNotComplete"), message, Retried);
    table.row(400, &named("ValidationException:"), message, Final);
    table.row(200, &named("ThrottlingException"), message, Accepted);
    table.row(400, &[], r#"{"__type":"LimitExceededException"}"#, Final);
    table.row(400, &[], r#"{"__type":"ValidationException"}"#, Final);
    table.row(429, &[], "", HeldAtLeast(20));
    table.row(429, &[("x-amz-retry-after", "1500")], "", HeldAsSaid(1));
    table.row(500, &[], r#"{"__type":"InternalFailure"}"#, Final);
    Table::of(providers::aws()).row(500, &[], "", Retried);
}

#[test]
fn microsoft_graph() {
    let table = Table::for_posts(providers::microsoft_graph());
    table.recorded("msgraph", HeldAsSaid(10));
    // Recorded by a user of SharePoint through Graph.
    const LIMITED: &str = r#"{"error":{"code":"activityLimitReached","message":"The request has been throttled","innerError":{"code":"throttledRequest"}}}"#;
    table.row(429, &[("Retry-After", "315")], LIMITED, HeldAsSaid(315));
    table.row(429, &[], LIMITED, HeldAtLeast(60));
    table.row(503, &[], "", Final);
}

#[test]
fn azure_resource_manager() {
    // Documented: the code of another operation.
    const BUSY: &str = r#"{"error":{"code":"RetryableError","message":"m","details":[{"code":"RetryableErrorDueToAnotherOperation","message":"m"}]}}"#;
    let table = Table::of(providers::azure_resource_manager());
    table.recorded("azure-arm", HeldAsSaid(17));
    table.recorded("azure-arm-200", Accepted);
    table.row(429, &[], BUSY, Retried);
    table.row(429, &[], "", HeldAtLeast(60));
    let writes = Table::for_posts(providers::azure_resource_manager());
    writes.row(429, &[], BUSY, Retried);
}

#[test]
fn algolia() {
    // Documented: the limit of a key.
    let table = Table::for_posts(providers::algolia());
    table.row(
        429,
        &[],
        r#"{"message":"Too Many Requests","status":429}"#,
        HeldAtLeast(60),
    );
    table.row(
        403,
        &[],
        r#"{"message":"Invalid Application-ID or API key","status":403}"#,
        Final,
    );
}
