//! [`Settings`]: what can be chosen when the site is started.

use std::{env, fmt};

use crate::StartError;

/// Where the site listens, and what it uses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to bind: `127.0.0.1` unless `ADDRESS` says otherwise.
    pub address: String,
    /// The port: 8080 unless `PORT` or `--port` says otherwise. 0 takes any that is free.
    pub port: u16,
    /// Where people reach the site, if that is not where it listens: `PUBLIC_URL`.
    pub public_url: Option<String>,
    /// Whether a proxy in front writes `X-Forwarded-For` and its kind: `BEHIND_PROXY`.
    pub behind_proxy: bool,
    /// Where users and sessions are kept.
    pub database: Database,
    /// The mail server. Without one, mails are at `/dev/mailbox`, in development only.
    pub smtp: Option<Smtp>,
    /// The providers that people can sign in by.
    pub clients: Vec<Client>,
}

/// A database. `Display` and `Debug` do not show the password in a URL.
#[derive(Clone)]
#[non_exhaustive]
pub enum Database {
    /// SQLite, until the site stops.
    Memory,
    /// An SQLite file, made if it is missing.
    Sqlite(String),
    /// A Postgres server, by its URL.
    Postgres(String),
}

/// A mail server.
#[derive(Clone)]
pub struct Smtp {
    /// `smtps://user:password@host`
    pub url: String,
    /// `Example <no-reply@example.com>`
    pub from: String,
}

/// The registration of this site at a provider.
#[derive(Clone)]
pub struct Client {
    /// Which provider.
    pub provider: Provider,
    /// The client id.
    pub id: String,
    /// The client secret.
    pub secret: String,
}

/// A provider of OAuth 2 or OpenID Connect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Provider {
    /// github.com
    GitHub,
    /// google.com
    Google,
    /// Any issuer of OpenID Connect.
    Oidc {
        /// Its URL.
        issuer: String,
        /// What the button says.
        name: String,
    },
}

const ARGUMENTS: &str = "there is `--port <number>`";

impl Settings {
    /// What the environment and the arguments of this process say.
    ///
    /// # Errors
    ///
    /// [`StartError::Setting`] names the one that makes no sense.
    pub fn from_process() -> Result<Self, StartError> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self::parse(variable, env::args().skip(1))
    }

    fn parse(
        variable: impl Fn(&str) -> Option<String>,
        mut arguments: impl Iterator<Item = String>,
    ) -> Result<Self, StartError> {
        let mut port = variable("PORT").map(|port| ("PORT", port));
        while let Some(argument) = arguments.next() {
            port = match argument.strip_prefix("--port") {
                Some("") => Some(("--port", arguments.next().unwrap_or_default())),
                Some(value) if value.starts_with('=') => Some(("--port", value[1..].to_owned())),
                _ => {
                    return Err(refuse(format!(
                        "unknown argument `{argument}`; {ARGUMENTS}"
                    )));
                }
            };
        }
        let port = match port {
            None => 8080,
            Some((name, text)) => text
                .parse()
                .map_err(|_| refuse(format!("{name}: `{text}` is not a port from 0 to 65535")))?,
        };
        let smtp = match (variable("SMTP_URL"), variable("MAIL_FROM")) {
            (None, _) => None,
            (Some(url), Some(from)) => Some(Smtp { url, from }),
            (Some(_), None) => {
                let what = "SMTP_URL needs MAIL_FROM, such as `Example <no-reply@example.com>`";
                return Err(refuse(what.to_owned()));
            }
        };
        Ok(Self {
            address: variable("ADDRESS").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            public_url: match variable("PUBLIC_URL") {
                Some(url) => Some(public_url(&url)?),
                None => None,
            },
            behind_proxy: variable("BEHIND_PROXY").is_some(),
            database: match variable("DATABASE_URL") {
                Some(url) => Database::parse(&url)?,
                None => Database::Sqlite("showcase.db".to_owned()),
            },
            smtp,
            clients: clients(variable)?,
        })
    }
}

fn refuse(what: String) -> StartError {
    StartError::Setting(what)
}

/// Links in mails begin with it.
fn public_url(text: &str) -> Result<String, StartError> {
    let url = url::Url::parse(text).ok().filter(|url| {
        url.scheme() == "https" && url.path() == "/" && url.query().is_none() && url.has_host()
    });
    match url {
        Some(url) => Ok(url.origin().ascii_serialization()),
        None => Err(refuse(format!(
            "PUBLIC_URL: `{text}` is not `https://` and a host"
        ))),
    }
}

fn clients(variable: impl Fn(&str) -> Option<String>) -> Result<Vec<Client>, StartError> {
    let mut clients = Vec::new();
    for name in ["GITHUB", "GOOGLE", "OIDC"] {
        let find = |rest: &str| variable(&format!("{name}_{rest}"));
        let (id, secret) = match (find("ID"), find("SECRET")) {
            (None, None) => continue,
            (Some(id), Some(secret)) => (id, secret),
            _ => return Err(refuse(format!("set both {name}_ID and {name}_SECRET"))),
        };
        let provider = match name {
            "GITHUB" => Provider::GitHub,
            "GOOGLE" => Provider::Google,
            _ => Provider::Oidc {
                issuer: find("ISSUER")
                    .ok_or_else(|| refuse("OIDC_ID needs OIDC_ISSUER".to_owned()))?,
                name: find("NAME").unwrap_or_else(|| "single sign-on".to_owned()),
            },
        };
        clients.push(Client {
            provider,
            id,
            secret,
        });
    }
    Ok(clients)
}

impl Database {
    /// Reads `postgres://...`, `sqlite::memory:`, `sqlite:file`, or the name of a file.
    fn parse(url: &str) -> Result<Self, StartError> {
        match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            Some(("sqlite", ":memory:")) => Ok(Self::Memory),
            Some(("sqlite", file)) => Ok(Self::Sqlite(
                file.strip_prefix("//").unwrap_or(file).to_owned(),
            )),
            Some((scheme, rest)) if rest.starts_with("//") => Err(refuse(format!(
                "DATABASE_URL: `{scheme}://` is not supported; write `postgres://user:password@host/database`, \
                 `sqlite:file` or `sqlite::memory:`"
            ))),
            _ => Ok(Self::Sqlite(url.to_owned())),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("SQLite in memory"),
            Self::Sqlite(file) => write!(f, "the database file `{file}`"),
            Self::Postgres(_) => f.write_str("the Postgres server of DATABASE_URL"),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("provider", &self.provider)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
