//! [`Settings`]: what can be chosen when the site is started.

use std::{env, fmt};

use crate::StartError;

/// Where the site listens, and which database it uses.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to bind: `127.0.0.1` unless `ADDRESS` says otherwise.
    pub address: String,
    /// The port: 8080 unless `PORT` or `--port` says otherwise. 0 takes any that is free.
    pub port: u16,
    /// Where users and sessions are kept.
    pub database: Database,
}

/// A database. `Display` and `Debug` do not show the password in a URL.
#[derive(Clone)]
#[non_exhaustive]
pub enum Database {
    /// A file, made if it is missing.
    Sqlite(String),
    /// A server, by its URL.
    Postgres(String),
}

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
                    let what = format!("unknown argument `{argument}`; there is `--port <number>`");
                    return Err(StartError::Setting(what));
                }
            };
        }
        let port = match port {
            None => 8080,
            Some((name, text)) => text.parse().map_err(|_| {
                StartError::Setting(format!("{name}: `{text}` is no port from 0 to 65535"))
            })?,
        };
        Ok(Self {
            address: variable("ADDRESS").unwrap_or_else(|| "127.0.0.1".to_owned()),
            port,
            database: match variable("DATABASE_URL") {
                Some(url) => Database::parse(&url)?,
                None => Database::Sqlite("quickstart.db".to_owned()),
            },
        })
    }
}

impl Database {
    /// Reads `postgres://...`, `sqlite:file`, or the name of a file.
    fn parse(url: &str) -> Result<Self, StartError> {
        match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            Some(("sqlite", file)) => Ok(Self::Sqlite(
                file.strip_prefix("//").unwrap_or(file).to_owned(),
            )),
            Some((scheme, rest)) if rest.starts_with("//") => Err(StartError::Setting(format!(
                "DATABASE_URL: `{scheme}://` is not supported; \
                 write `postgres://user:password@host/database` or `sqlite:file`"
            ))),
            _ => Ok(Self::Sqlite(url.to_owned())),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Settings, String> {
        let find = |name: &str| variables.iter().find(|(other, _)| *other == name);
        Settings::parse(
            |name| find(name).map(|(_, value)| (*value).to_owned()),
            arguments.iter().map(|argument| (*argument).to_owned()),
        )
        .map_err(|error| error.to_string())
    }

    #[test]
    fn without_any_setting_it_is_a_file_and_this_machine_only() {
        let settings = parse(&[], &[]).unwrap();
        assert_eq!(
            (settings.address.as_str(), settings.port),
            ("127.0.0.1", 8080)
        );
        assert!(matches!(settings.database, Database::Sqlite(file) if file == "quickstart.db"));
    }

    #[test]
    fn the_argument_wins_over_the_variable() {
        for arguments in [&["--port", "3000"][..], &["--port=3000"]] {
            assert_eq!(parse(&[("PORT", "4000")], arguments).unwrap().port, 3000);
        }
        assert_eq!(parse(&[("PORT", "4000")], &[]).unwrap().port, 4000);
    }

    #[test]
    fn databases_are_told_apart_by_their_url() {
        let database = |url| parse(&[("DATABASE_URL", url)], &[]).unwrap().database;
        for url in ["postgres://localhost/a", "postgresql://localhost/a"] {
            assert!(matches!(database(url), Database::Postgres(kept) if kept == url));
        }
        for (url, file) in [
            ("sqlite:a.db", "a.db"),
            ("sqlite://a.db", "a.db"),
            ("sqlite:///srv/a.db", "/srv/a.db"),
            ("a.db", "a.db"),
            ("C:\\a.db", "C:\\a.db"),
        ] {
            assert!(
                matches!(database(url), Database::Sqlite(kept) if kept == file),
                "{url}"
            );
        }
    }

    #[test]
    fn nonsense_is_told_without_the_password_in_it() {
        let refused = |variables, arguments| parse(variables, arguments).err().unwrap();
        assert!(refused(&[("PORT", "http")], &[]).contains("PORT: `http`"));
        assert!(refused(&[], &["--port", "70000"]).contains("--port: `70000`"));
        assert!(refused(&[], &["--verbose"]).contains("`--verbose`"));
        let mysql = refused(&[("DATABASE_URL", "mysql://root:secret@host/db")], &[]);
        assert!(
            mysql.contains("`mysql://`") && !mysql.contains("secret"),
            "{mysql}"
        );
    }
}
