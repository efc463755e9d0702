//! Which usernames there are.

use lucia::Error;

/// The way of signing in that usernames belong to. An application can have several.
pub const PROVIDER: &str = "username";

/// The largest number of characters. The message of [`check`] and the page name it too.
pub const MAX_LENGTH: usize = 32;

/// A username as it is stored and looked up. lucia compares keys as they are, so `Ada ` and `ada`
/// have to become one before.
pub fn one_form(typed: &str) -> String {
    typed.trim().to_lowercase()
}

/// Refuses what nobody may call themselves, with the reason for the person who typed it.
///
/// Letters other than a to z are left out because many look like others: `аda` with a Cyrillic `а`
/// would pass for `ada`.
pub fn check(username: &str) -> Result<(), Error> {
    let allowed = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '-' | '_');
    let reason = if username.is_empty() {
        "Choose a username."
    } else if !username.chars().all(allowed) {
        "Use only the letters a to z, digits, - and _."
    } else if username.len() > MAX_LENGTH {
        "This is too long. Use at most 32 characters."
    } else {
        return Ok(());
    };
    Err(Error::InvalidKey { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_around_do_not_matter() {
        assert_eq!(one_form("  Ada\t"), "ada");
    }

    #[test]
    fn names_are_short_and_plain() {
        for good in ["a", "ada", "ada-lovelace_1815", &"a".repeat(MAX_LENGTH)] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "ada lovelace", "<b>", "аda", "a\0", "ada@example.com"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_long_name_is_told_how_long_it_may_be() {
        let error = check(&"a".repeat(MAX_LENGTH + 1)).unwrap_err().to_string();
        assert!(error.contains(&MAX_LENGTH.to_string()), "{error}");
    }
}
