//! E-mail, by a real mail server.

mod outbox;
mod smtp;

use std::time::Duration;

use lucia::mail::{Mail, SmtpMailer};
use lucia_tests::MailServer;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use time::OffsetDateTime;

const FROM: &str = "Größe & Söhne <no-reply@example.com>";
const USER: &str = "lucia@example.com";
const SMTP_PASSWORD: &str = "p/a:s@s wörd";
/// The two as a URL has them.
const LOGIN: &str = "lucia%40example.com:p%2Fa%3As%40s%20w%C3%B6rd";

/// A certificate authority of a test.
struct Authority {
    pem: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            pem: issuer.pem(),
            issuer,
        }
    }

    /// The options of a server with a certificate for this name, and with a login.
    fn server(&self, tls: &str, name: &str, expires: OffsetDateTime) -> Value {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = OffsetDateTime::now_utc() - time::Duration::days(9);
        params.not_after = expires;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        json!({
            "tls": tls,
            "key": key.serialize_pem(),
            "cert": certificate.pem(),
            "user": USER,
            "password": SMTP_PASSWORD,
        })
    }

    async fn start(&self, tls: &str) -> Option<MailServer> {
        MailServer::start(self.server(tls, "localhost", tomorrow())).await
    }

    /// One for the server, which trusts this authority.
    fn mailer(&self, url: &str) -> SmtpMailer {
        let mailer = SmtpMailer::new(url, FROM).unwrap();
        mailer.root_certificate(self.pem.as_bytes()).unwrap()
    }
}

fn tomorrow() -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(1)
}

fn url(scheme: &str, server: &MailServer) -> String {
    format!("{scheme}://{LOGIN}@localhost:{}", server.port())
}

/// A server without TLS and login, and a mailer for it that waits for a second at most.
async fn plain() -> Option<(MailServer, SmtpMailer)> {
    let server = MailServer::start(json!({ "tls": "none" })).await?;
    let url = format!("smtp://127.0.0.1:{}?tls=none", server.port());
    let mailer = SmtpMailer::new(&url, FROM).unwrap();
    Some((server, mailer.timeout(Duration::from_secs(20))))
}

fn mail(subject: &str) -> Mail {
    Mail::new("ada@example.org", subject, "secret-text").unwrap()
}
