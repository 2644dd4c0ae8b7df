//! `tower-backoff watch`, over the file of a fleet of two gates.

mod command;

use std::convert::Infallible;
use std::time::Duration;

use command::{Folder, run};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_backoff::fleet::file;
use tower_backoff::policy::Provider;
use tower_backoff::{Quota, RetryLayer};

type Body = Full<bytes::Bytes>;

#[tokio::test]
async fn the_file_of_a_fleet_is_shown_as_a_table() {
    let folder = Folder::new("table");
    let path = folder.path("limits");
    let missing = run(&["watch", "--once", &path], "").unwrap_err();
    assert!(missing.contains("limits"), "{missing}");

    let ledger = file::open(&path).expect("a folder that can be written");
    let acme = Provider::new("acme").quota(Quota::per_minute(60));
    let api = service_fn(|_: Request<Body>| async {
        let refusal = Response::builder()
            .status(429)
            .header("retry-after", "90")
            .body(Body::default());
        Ok::<_, Infallible>(refusal.expect("a response"))
    });
    let layer = RetryLayer::new(acme)
        .fleet(ledger)
        .patience(Duration::from_secs(5));
    let request = Request::get("https://acme.test/").body(Body::default());
    let client = layer.layer(api);
    let response = client.clone().oneshot(request.expect("a request")).await;
    assert_eq!(response.expect("the refusal").status(), 429);

    // The member tells it soon after.
    let mut text = String::new();
    for _ in 0..100 {
        text = run(&["watch", "--once", &path], "").unwrap_or_default();
        if text.lines().count() == 2 && text.contains(" s ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(client);
    let lines: Vec<_> = text.lines().collect();
    let [head, scope] = lines[..] else {
        panic!("{text}\n{:?}", std::fs::read_to_string(&path));
    };
    let columns: Vec<_> = head.split_whitespace().take(4).collect();
    assert_eq!(columns, ["scope", "closed", "for", "members"]);
    let cells: Vec<_> = scope.split_whitespace().collect();
    assert_eq!(
        (cells[0].len(), cells[2], cells[3]),
        (12, "s", "1"),
        "{scope}"
    );
    let closed_for: f64 = cells[1].parse().expect("seconds");
    assert!((80.0..=92.0).contains(&closed_for), "{scope}");
}
