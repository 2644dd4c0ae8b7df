//! Encrypted connections.

use std::fs;

use tower_backoff::fleet::ledger::{LedgerClient, Unreachable};
use tower_backoff_redis::RedisLedger;

use crate::server;
use crate::store::{SCOPE, said};

/// A server with a certificate of its own, and that certificate. `None` if it cannot encrypt.
fn start() -> Option<(server::Server, String, Vec<u8>)> {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("tower-backoff-tls-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("cert"), key.cert.pem()).unwrap();
    fs::write(path("key"), key.signing_key.serialize_pem()).unwrap();
    let port = server::free_port();
    let arguments = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &path("cert")],
        ["--tls-key-file", &path("key")],
        ["--tls-ca-cert-file", &path("cert")],
        ["--tls-auth-clients", "no"],
    ];
    let server = server::try_start(&arguments.concat());
    let _ = fs::remove_dir_all(&folder);
    if server.is_none() {
        println!("skipped: the server that is installed cannot encrypt, or there is none");
    }
    let url = format!("rediss://localhost:{port}");
    Some((server?, url, key.cert.pem().into_bytes()))
}

#[tokio::test]
async fn an_encrypted_connection_serves_a_ledger() {
    let Some((_server, url, pem)) = start() else {
        return;
    };
    let ledger = RedisLedger::with_root_certificate(&url, &pem).unwrap();
    let ledger = ledger.timeout(std::time::Duration::from_secs(5));
    let reply = ledger.exchange(SCOPE, &said(1, 1, 3)).await.unwrap();
    assert_eq!(reply.grants[0][0].count, 3);
    // A certificate that nobody has vouched for is no connection, and no panic.
    let stranger = RedisLedger::new(&url).unwrap();
    let reply = stranger.exchange(SCOPE, &said(2, 1, 3)).await;
    assert!(
        matches!(reply, Err(Unreachable::NoConnection(_))),
        "{reply:?}"
    );
}

#[test]
fn a_text_without_a_certificate_is_an_error_in_words() {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = key.cert.pem();
    let cut = &certificate[..certificate.len() / 2];
    let texts = [
        "",
        "not PEM",
        &key.signing_key.serialize_pem(),
        cut,
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ];
    for text in texts {
        let result = RedisLedger::with_root_certificate("rediss://localhost", text.as_bytes());
        let error = result.map(drop).expect_err(text).to_string();
        println!("{error}");
        assert!(error.contains("certificate"), "{text:?}: {error}");
    }
}
