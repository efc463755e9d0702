//! Which server sends, as a URL says.

use std::net::IpAddr;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::SendError;
use super::connection::{Connection, Step, failed};
use crate::{Error, Result};

/// The setting that an error names.
const SETTING: &str = "smtp.url";

pub(super) struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    credentials: Option<Credentials>,
    /// How the client introduces itself.
    hello: ClientId,
    roots: Vec<Certificate>,
}

enum Encryption {
    FromTheStart(TlsParameters),
    StartTls(TlsParameters),
    None,
}

impl Server {
    /// The server of a URL. `domain` is that of the sender.
    pub(super) fn parse(url: &str, domain: &str) -> Result<Self> {
        let refuse = |reason: &str| Err(Error::setting(SETTING, reason));
        let Ok(url) = Url::parse(url) else {
            return refuse("it is not a URL; write `smtps://user:password@mail.example.com`");
        };
        // For schemes that it does not know, `url` parses neither names nor numbers.
        let host = url.host_str().map(Host::parse);
        let Some(Ok(host)) = host else {
            return refuse("it names no host; write `smtps://user:password@mail.example.com`");
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            let reason = "something follows the host; write a `#`, `?` or `/` of a password as `%23`, \
                `%3F` or `%2F`";
            return refuse(reason);
        }
        let is_local = match &host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let is_plain = match url.query() {
            None => false,
            Some("tls=none") if url.scheme() == "smtps" => {
                return refuse("`smtps` is with TLS; write `smtp://` before a host without");
            }
            Some("tls=none") if is_local => true,
            Some("tls=none") => {
                let reason = "only a server on the same machine is used without TLS, such as \
                    `localhost`; leave out `?tls=none`";
                return refuse(reason);
            }
            Some(_) => return refuse("the only option is `?tls=none`"),
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) if !user.is_empty() => {
                let decode = |text| percent_decode_str(text).decode_utf8().map(String::from);
                let (Ok(user), Ok(password)) = (decode(user), decode(password)) else {
                    return refuse("the user or the password is not UTF-8");
                };
                Some(Credentials::new(user, password))
            }
            _ => return refuse("it needs both a user and a password, or neither"),
        };
        // A server has its name in its certificate without brackets.
        let host = match host {
            Host::Domain(name) => name,
            Host::Ipv4(address) => IpAddr::from(address).to_string(),
            Host::Ipv6(address) => IpAddr::from(address).to_string(),
        };
        let tls = tls(&host, &[])?;
        let (encryption, port) = match url.scheme() {
            "smtps" => (Encryption::FromTheStart(tls), 465),
            "smtp" if is_plain => (Encryption::None, 25),
            "smtp" => (Encryption::StartTls(tls), 587),
            _ => return refuse("it begins with neither `smtps://` nor `smtp://`"),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            credentials,
            hello: ClientId::Domain(domain.to_owned()),
            roots: Vec::new(),
        })
    }

    pub(super) fn trust(&mut self, pem: &[u8]) -> Result<()> {
        let refuse = |reason: &str| Err(Error::setting("smtp.root_certificate", reason));
        // Of a file without a certificate, lettre makes an empty list.
        if !pem
            .windows(27)
            .any(|part| part == b"-----BEGIN CERTIFICATE-----")
        {
            return refuse("it holds no certificate in PEM");
        }
        let Ok(certificate) = Certificate::from_pem(pem) else {
            return refuse("it is not a certificate in PEM");
        };
        self.roots.push(certificate);
        match &mut self.encryption {
            Encryption::FromTheStart(former) | Encryption::StartTls(former) => {
                *former = tls(&self.host, &self.roots)
                    .map_err(|_| Error::setting("smtp.root_certificate", "it cannot be a root"))?;
                Ok(())
            }
            Encryption::None => refuse("the URL says `tls=none`"),
        }
    }

    /// A connection that is encrypted as asked and signed in.
    pub(super) async fn connect(&self) -> Result<Connection, SendError> {
        let address = (&*self.host, self.port);
        let tls = match &self.encryption {
            Encryption::FromTheStart(tls) => Some(tls.clone()),
            _ => None,
        };
        // The caller limits the time of all of it.
        let connected = AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, tls, None);
        let mut smtp = connected.await.map_err(failed(Step::Connect))?;
        if let Encryption::StartTls(tls) = &self.encryption {
            if !smtp.can_starttls() {
                let reason = "the server offers no STARTTLS; write `smtps://` if it has TLS from the \
                    start, or `?tls=none` if it is on the same machine and has none";
                return Err(SendError::failed(reason));
            }
            let started = smtp.starttls(tls.clone(), &self.hello).await;
            started.map_err(failed(Step::StartTls))?;
        }
        if let Some(credentials) = &self.credentials {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if smtp.server_info().get_auth_mechanism(&mechanisms).is_none() {
                let reason = "the server offers no sign-in by PLAIN or LOGIN";
                return Err(SendError::failed(reason));
            }
            let signed_in = smtp.auth(&mechanisms, credentials).await;
            signed_in.map_err(failed(Step::SignIn))?;
        }
        Ok(Connection::new(smtp))
    }
}

fn tls(host: &str, roots: &[Certificate]) -> Result<TlsParameters> {
    let parameters =
        TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::WebpkiRoots);
    let trusted = roots.iter().cloned();
    let parameters = trusted.fold(parameters, |parameters, root| {
        parameters.add_root_certificate(root)
    });
    parameters.build_rustls().map_err(Error::internal)
}

debug_of!(Server: host, port);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Server> {
        Server::parse(url, "example.com")
    }

    #[test]
    fn urls_say_host_port_and_encryption() {
        for (url, host, port, encryption) in [
            ("smtps://mail.example.com", "mail.example.com", 465, "start"),
            (
                "smtps://u:p@mail.example.com:4465/",
                "mail.example.com",
                4465,
                "start",
            ),
            (
                "smtp://u:p@mail.example.com",
                "mail.example.com",
                587,
                "starttls",
            ),
            ("smtp://localhost:1025", "localhost", 1025, "starttls"),
            ("smtp://localhost:1025?tls=none", "localhost", 1025, "none"),
            ("smtp://127.0.0.1?tls=none", "127.0.0.1", 25, "none"),
            ("smtp://[::1]:25?tls=none", "::1", 25, "none"),
            (
                "smtps://BÜCHER.example",
                "xn--bcher-kva.example",
                465,
                "start",
            ),
        ] {
            let server = parse(url).unwrap();
            let has = match server.encryption {
                Encryption::FromTheStart(_) => "start",
                Encryption::StartTls(_) => "starttls",
                Encryption::None => "none",
            };
            assert_eq!(
                (&*server.host, server.port, has),
                (host, port, encryption),
                "{url}"
            );
        }
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let server = parse("smtps://ada%40example.com:s%2Fw%3Ao%C3%BC@mail.example.com").unwrap();
        let expected = Credentials::new("ada@example.com".to_owned(), "s/w:oü".to_owned());
        assert_eq!(server.credentials, Some(expected));
        assert_eq!(parse("smtps://mail.example.com").unwrap().credentials, None);
    }

    #[test]
    fn urls_that_make_no_sense_are_refused_without_their_password() {
        for url in [
            "",
            "mail.example.com",
            "https://mail.example.com",
            "smtps:mail.example.com",
            "smtps://",
            "smtps://ada:sword#fish@mail.example.com",
            "smtps://ada:sword/fish@mail.example.com",
            "smtps://ada@mail.example.com",
            "smtps://:swordfish@mail.example.com",
            "smtps://ada:swordfish%ff@mail.example.com",
            "smtps://ada:swordfish@mail.example.com/path",
            "smtps://ada:swordfish@mail.example.com?tls=none",
            "smtp://ada:swordfish@mail.example.com?tls=none",
            "smtp://ada:swordfish@10.0.0.1?tls=none",
            "smtp://ada:swordfish@localhost.example.com?tls=none",
            "smtp://ada:swordfish@localhost?tls=opportunistic",
        ] {
            match parse(url) {
                Err(Error::Setting { setting, reason }) => {
                    assert_eq!(setting, SETTING);
                    assert!(!reason.contains("fish"), "{reason}");
                }
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for pem in [
            "",
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
        ] {
            let refused = parse("smtps://mail.example.com")
                .unwrap()
                .trust(pem.as_bytes());
            let is_named = matches!(
                refused,
                Err(Error::Setting {
                    setting: "smtp.root_certificate",
                    ..
                })
            );
            assert!(is_named, "{pem:?}");
        }
    }
}
