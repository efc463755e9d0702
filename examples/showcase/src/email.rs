//! The addresses that users sign in by.

use lucia::mail::Mail;
use lucia::{Auth, UserId, UserKey};

/// The provider id of keys that are e-mail addresses.
pub const PROVIDER: &str = "email";

/// An address as it is stored and looked up. lucia compares keys exactly, so `Ada@example.com ` and
/// `ada@example.com` have to become one before.
pub fn one_form(typed: &str) -> String {
    typed.trim().to_lowercase()
}

/// Refuses what no mail can be sent to.
pub fn check(address: &str) -> lucia::Result<()> {
    Mail::new(address, "-", "-").map(drop)
}

/// The key of a user's address, if they have one. People who came by a provider have none.
pub async fn key_of(auth: &Auth, user_id: &UserId) -> lucia::Result<Option<UserKey>> {
    let keys = auth.user_keys(user_id).await?;
    Ok(keys.into_iter().find(is_address))
}

/// Whether a key is an address.
pub fn is_address(key: &UserKey) -> bool {
    key.id.provider_id() == PROVIDER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_around_do_not_matter() {
        assert_eq!(one_form(" Ada@Example.COM\t"), "ada@example.com");
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        assert!(check("ada@example.com").is_ok());
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada lovelace@example.com",
        ] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
    }
}
