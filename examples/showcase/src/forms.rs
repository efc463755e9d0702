//! What to tell people about a form that cannot be accepted.

use std::time::Duration;

use lucia::{Error, PasswordProblem};

/// The least number of characters of a password.
pub const PASSWORD_MIN_LENGTH: usize = 10;

/// The same, for the person who chooses one.
pub const PASSWORD_HINT: &str = "At least 10 characters. A few words make a good one.";

/// The largest number of characters of a name.
pub const NAME_MAX_LENGTH: usize = 60;

/// The part of a form that a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Name,
    Email,
    /// A password that exists.
    Password,
    NewPassword,
    Code,
    /// The form as a whole.
    Form,
}

/// Why a form was not accepted.
#[derive(Clone, Debug)]
pub struct Problem {
    pub field: Field,
    pub message: String,
}

impl Problem {
    pub fn new(field: Field, message: impl Into<String>) -> Self {
        Self {
            field,
            message: message.into(),
        }
    }

    /// What an error means to the person who filled in the form; `None` if it is none of their business.
    pub fn of(error: &Error) -> Option<Self> {
        Some(match error {
            Error::InvalidAddress { .. } => Self::new(Field::Email, ADDRESS),
            Error::InvalidKey { .. } => Self::new(Field::Email, ADDRESS),
            Error::DuplicateKey => Self::new(Field::Email, TAKEN),
            Error::InvalidPassword(problem) => Self::new(Field::NewPassword, advice(*problem)),
            // Not which of the two: that would tell who has an account.
            Error::InvalidCredentials => {
                Self::new(Field::Form, "The address or the password is wrong.")
            }
            Error::InvalidOneTimeToken => Self::new(Field::Code, CODE),
            Error::TooManyAttempts { retry_after } => Self::new(Field::Form, wait(*retry_after)),
            Error::Busy | Error::Unavailable(_) => Self::new(Field::Form, LATER),
            _ => return None,
        })
    }

    /// What a problem says of a field, for the templates.
    pub fn about(problem: &Option<Self>, field: Field) -> Option<&str> {
        let problem = problem.as_ref().filter(|problem| problem.field == field)?;
        Some(&problem.message)
    }
}

const ADDRESS: &str = "This is not an e-mail address. Write it like ada@example.com.";
const TAKEN: &str = "There is an account with this address. Sign in, or reset the password.";
const CODE: &str =
    "This code is wrong or was used. After five tries or ten minutes, ask for another one.";
const LATER: &str = "We cannot do this just now. Nothing was changed. Try again in a moment.";

fn wait(time: Duration) -> String {
    match time.as_secs().div_ceil(60) {
        0 | 1 => "Too many attempts. Try again in a minute.".to_owned(),
        minutes @ 2..=120 => format!("Too many attempts. Try again in {minutes} minutes."),
        minutes @ ..=2880 => {
            format!(
                "Too many attempts. Try again in {} hours.",
                minutes.div_ceil(60)
            )
        }
        minutes => format!(
            "Too many attempts. Try again in {} days.",
            minutes.div_ceil(1440)
        ),
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

/// The name as it is stored, or what is wrong with it.
pub fn name(typed: &str) -> Result<String, Problem> {
    let name: Vec<&str> = typed.split_whitespace().collect();
    let name = name.join(" ");
    if name.is_empty() {
        return Err(Problem::new(Field::Name, "Tell us what to call you."));
    }
    if name.chars().count() > NAME_MAX_LENGTH || name.chars().any(char::is_control) {
        let message = format!("Use at most {NAME_MAX_LENGTH} characters.");
        return Err(Problem::new(Field::Name, message));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_names_the_rule() {
        assert!(PASSWORD_HINT.contains(&format!("At least {PASSWORD_MIN_LENGTH} ")));
    }

    #[test]
    fn a_refused_password_says_how_many_characters_it_takes() {
        let short = Error::InvalidPassword(PasswordProblem::TooShort { min: 10 });
        let problem = Problem::of(&short).unwrap();
        assert_eq!(problem.field, Field::NewPassword);
        assert!(problem.message.contains("at least 10"), "{problem:?}");
    }

    #[test]
    fn people_who_tried_too_often_are_told_how_long_to_wait() {
        for (seconds, told) in [
            (1, "a minute"),
            (61, "2 minutes"),
            (900, "15 minutes"),
            (86_400, "24 hours"),
            (604_800, "7 days"),
        ] {
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

    #[test]
    fn a_name_is_one_line_with_something_in_it() {
        assert_eq!(name("  Ada \n Lovelace ").unwrap(), "Ada Lovelace");
        for bad in ["", " \t", "a\0b", &"a".repeat(NAME_MAX_LENGTH + 1)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }
}
