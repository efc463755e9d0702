//! What people type, and what to tell them when it cannot be accepted.

use std::time::Duration;

use lucia::{ConstraintKind, Error, LocalPath, PasswordProblem};
use serde::Deserialize;

/// The least number of characters of a password.
pub const PASSWORD_MIN_LENGTH: usize = 8;

/// What the forms to sign up and to log in send. What is missing is empty, and told so beside its
/// field. There is no `Debug`, so that no password is printed.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    /// Whether the box is checked: "remember me".
    pub remember: bool,
    pub next: Next,
}

/// The query of a link to such a form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Link {
    pub next: Next,
}

/// The page that sent people here, if one did. Anybody can make a link with any `next=`, so only a
/// path of this site counts.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
pub struct Next(Option<LocalPath>);

impl Next {
    pub fn path(&self) -> Option<&LocalPath> {
        self.0.as_ref()
    }
}

impl From<String> for Next {
    fn from(path: String) -> Self {
        Self(LocalPath::parse(&path))
    }
}

/// The part of a form that a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Username,
    Password,
    /// The form as a whole.
    Form,
}

/// Why a form was not accepted.
#[derive(Debug)]
pub struct Problem {
    pub field: Field,
    pub message: String,
}

impl Problem {
    /// What an error means to whoever filled in the form; `None` if it is none of their business.
    pub fn of(error: &Error) -> Option<Self> {
        let (field, message) = match error {
            Error::InvalidKey { reason } => (Field::Username, (*reason).to_owned()),
            Error::DuplicateKey => (Field::Username, TAKEN.to_owned()),
            Error::Constraint(rule) if rule.kind == ConstraintKind::Unique => {
                (Field::Username, TAKEN.to_owned())
            }
            Error::InvalidPassword(problem) => (Field::Password, advice(*problem)),
            // Not which of the two: that would tell who has an account.
            Error::InvalidCredentials => (Field::Form, "Wrong username or password.".to_owned()),
            Error::TooManyAttempts { retry_after } => (Field::Form, wait(*retry_after)),
            Error::Busy | Error::Unavailable(_) => (Field::Form, LATER.to_owned()),
            _ => return None,
        };
        Some(Self { field, message })
    }
}

const TAKEN: &str = "This username is taken. Choose another one.";
const LATER: &str = "We cannot do this just now. Try again in a moment.";

fn wait(time: Duration) -> String {
    match time.as_secs().div_ceil(60) {
        0 | 1 => "Too many attempts. Try again in a minute.".to_owned(),
        minutes => format!("Too many attempts. Try again in {minutes} minutes."),
    }
}

fn advice(problem: PasswordProblem) -> String {
    match problem {
        PasswordProblem::Empty => "Choose a password.".to_owned(),
        PasswordProblem::TooShort { min } => {
            format!("This is too short. Use at least {min} characters.")
        }
        PasswordProblem::TooLong { max } => {
            format!("This is too long. Use at most {max} characters.")
        }
        _ => "Choose another password.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use lucia::ConstraintViolation;

    use super::*;

    #[test]
    fn a_name_that_is_taken_is_told_beside_the_name() {
        let unique = ConstraintViolation::new(ConstraintKind::Unique, "auth_user");
        for error in [Error::DuplicateKey, Error::Constraint(unique)] {
            assert_eq!(Problem::of(&error).unwrap().field, Field::Username);
        }
    }

    #[test]
    fn a_refused_password_says_how_many_characters_it_takes() {
        let short = Error::InvalidPassword(PasswordProblem::TooShort { min: 8 });
        let problem = Problem::of(&short).unwrap();
        assert_eq!(problem.field, Field::Password);
        assert!(problem.message.contains("at least 8"), "{problem:?}");
    }

    #[test]
    fn who_has_tried_too_often_is_told_for_how_long_to_wait() {
        for (seconds, told) in [(1, "a minute"), (61, "2 minutes"), (900, "15 minutes")] {
            let retry_after = Duration::from_secs(seconds);
            let problem = Problem::of(&Error::TooManyAttempts { retry_after }).unwrap();
            assert_eq!(problem.field, Field::Form);
            assert!(problem.message.contains(told), "{problem:?}");
        }
    }

    #[test]
    fn our_own_mistakes_are_not_told_in_a_form() {
        assert!(Problem::of(&Error::Misuse("no such".to_owned())).is_none());
    }
}
