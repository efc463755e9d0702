//! Encrypted connections.

use std::process::Command;

use lucia::store::SessionStore;
use lucia::{Error, RedisStore};
use lucia_tests::RedisServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{ADA, id, session};

/// What the process has that trusts the certificate.
const URL: &str = "LUCIA_TEST_REDISS_URL";

/// The certificates that are trusted are those of the operating system, or of a file that an environment variable
/// names; so the test runs itself once more, with that variable.
#[tokio::test]
async fn a_certificate_is_checked() {
    if let Ok(url) = std::env::var(URL) {
        let store = RedisStore::connect(&url).await.unwrap();
        store.insert_session(session(1, ADA)).await.unwrap();
        assert!(store.session(&id(1)).await.unwrap().is_some());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let trusted = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap().pem();
    for (name, text) in [
        ("ca", &trusted),
        ("cert", &server),
        ("key", &key.serialize_pem()),
    ] {
        std::fs::write(file(name), text).unwrap();
    }
    let port = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    let settings = [
        ["--save", ""],
        ["--tls-port", &port],
        ["--tls-ca-cert-file", &file("ca")],
        ["--tls-cert-file", &file("cert")],
        ["--tls-key-file", &file("key")],
        ["--tls-auth-clients", "no"],
    ];
    let Some(_server) = RedisServer::start(settings.as_flattened()).await else {
        return;
    };
    let url = |host: &str| format!("rediss://{host}:{port}");
    let store = RedisStore::connect(&url("localhost")).await;
    assert!(matches!(store, Err(Error::Unavailable(_))), "{store:?}");
    let connects = |host: &str| {
        let mut again = Command::new(std::env::current_exe().unwrap());
        let again = again.args(["--exact", "tls::a_certificate_is_checked"]);
        let again = again.env(URL, url(host)).env("SSL_CERT_FILE", file("ca"));
        again.output().unwrap().status.success()
    };
    assert!(connects("localhost"));
    // It is for another name.
    assert!(!connects("127.0.0.1"));
}
