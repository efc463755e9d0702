//! The requests that are sent, and what has to come back.

use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// What has to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, and this name.
    Name(String),
    /// 401.
    Unauthorized,
}

impl Answer {
    /// Whether this is what came back.
    pub(crate) fn is(&self, status: u16, body: &[u8]) -> bool {
        match self {
            Self::Name(name) => status == 200 && body == name.as_bytes(),
            Self::Unauthorized => status == 401,
        }
    }
}

/// The password of all users.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A `GET /me` or a `POST /login`, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answer: Answer,
}

impl Request {
    /// One with this value of the `Cookie` header.
    pub(crate) fn with_cookie(cookie: &str, answer: Answer) -> Self {
        Self::new(&format!("Cookie: {cookie}\r\n"), answer)
    }

    /// One with this token of lucia's.
    pub(crate) fn with_token(token: &str, answer: Answer) -> Self {
        Self::with_cookie(&format!("__Host-auth_session={token}"), answer)
    }

    /// One of somebody who has no cookie.
    pub(crate) fn anonymous() -> Self {
        Self::new("", Answer::Unauthorized)
    }

    /// A `POST /login` of a form.
    pub(crate) fn sign_in(username: &str, password: &str, answer: Answer) -> Self {
        let form = format!(
            "username={username}&password={}",
            password.replace(' ', "+")
        );
        let bytes = format!(
            "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        Self {
            bytes: bytes.into_bytes(),
            answer,
        }
    }

    fn new(headers: &str, answer: Answer) -> Self {
        Self {
            bytes: format!("GET /me HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n").into_bytes(),
            answer,
        }
    }
}

/// What sessions of the kit's own making are derived from. Each is the session of the user of the
/// same number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// In its active period.
    Active,
    /// To be renewed by the next request.
    Idle,
}

impl Kind {
    pub(crate) fn seed(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
        }
    }

    /// `amount` of `all` sessions, at equal distances, but not one after the other.
    pub(crate) fn requests(self, amount: u32, all: u32) -> Vec<Request> {
        let chosen = spread(amount as usize, all as usize);
        chosen.map(|number| self.request(number)).collect()
    }

    /// The names of the users of these sessions.
    pub(crate) fn users(self, amount: u32, all: u32) -> impl Iterator<Item = String> {
        spread(amount as usize, all as usize).map(name)
    }

    fn request(self, number: usize) -> Request {
        let answer = Answer::Name(name(number));
        Request::with_token(&token(self, number), answer)
    }
}

/// The name of a user.
fn name(number: usize) -> String {
    format!("user-{number}")
}

/// The token of the session of a user. The seeds in SQL have the same.
fn token(kind: Kind, number: usize) -> String {
    let digest = Sha256::digest(format!("{}:{number}", kind.seed()));
    let hexadecimal: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    hexadecimal[..40].to_owned()
}

/// The requests in a file that a server's `seed` wrote, `amount` of them as those of a [`Kind`].
pub(crate) fn from_file(file: &Path, amount: u32) -> Result<Vec<Request>> {
    let text = std::fs::read_to_string(file).context("the file of a server's seed")?;
    let lines: Vec<_> = text.lines().collect();
    spread(amount as usize, lines.len())
        .map(|number| match lines[number].split_once('\t') {
            Some((cookie, name)) => Ok(Request::with_cookie(cookie, Answer::Name(name.to_owned()))),
            None => bail!("line {} of a server's seed has no tab", number + 1),
        })
        .collect()
}

/// A prime above any amount, so that its multiples come to each place once.
const STRIDE: usize = 2_654_435_761;

/// Rows that were made one after the other share pages, so they are not asked for one after the other.
fn spread(amount: usize, all: usize) -> impl Iterator<Item = usize> {
    let amount = amount.min(all);
    (0..amount).map(move |turn| turn * STRIDE % amount * all / amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_and_a_wrong_status_are_no_answers() {
        let expected = Answer::Name("user-1".to_owned());
        assert!(expected.is(200, b"user-1"));
        for (status, body) in [(200, "user-2"), (200, ""), (401, "user-1"), (500, "")] {
            assert!(!expected.is(status, body.as_bytes()), "{status} {body}");
        }
        assert!(Answer::Unauthorized.is(401, b""));
        assert!(!Answer::Unauthorized.is(200, b"user-1"));
    }

    #[test]
    fn chosen_sessions_are_different_ones_over_the_whole_range() {
        let sorted = |amount, all| {
            let mut chosen: Vec<_> = spread(amount, all).collect();
            chosen.sort_unstable();
            chosen
        };
        assert_eq!(sorted(4, 10), [0, 2, 5, 7]);
        assert_eq!(sorted(10, 3), [0, 1, 2]);
    }

    #[test]
    fn chosen_sessions_do_not_come_as_they_were_made() {
        let chosen: Vec<_> = spread(5000, 100_000).collect();
        assert!(chosen.windows(2).all(|two| two[0].abs_diff(two[1]) > 1000));
    }

    #[test]
    fn tokens_have_the_form_of_lucias() {
        let token = token(Kind::Active, 7);
        assert_eq!(token.len(), 40);
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        );
    }
}
