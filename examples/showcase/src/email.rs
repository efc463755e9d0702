//! The addresses that users sign in by.

use lucia::mail::Mail;
use lucia::{Auth, KeyId, UserId, UserKey};

/// Refuses an address that no mail can be sent to. Calls that look up a key take it for one that no user has.
pub fn check(key: &KeyId) -> lucia::Result<()> {
    Mail::new(key.provider_user_id(), "-", "-").map(drop)
}

/// The key of a user's address, if they have one. People who came by a provider have none.
pub async fn key_of(auth: &Auth, user_id: &UserId) -> lucia::Result<Option<UserKey>> {
    let keys = auth.user_keys(user_id).await?;
    Ok(keys.into_iter().find(is_address))
}

/// Whether a key is an address.
pub fn is_address(key: &UserKey) -> bool {
    key.id.provider_id() == "email"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_address_is_refused() {
        assert!(check(&KeyId::email(" Ada@Example.COM\t")).is_ok());
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada lovelace@example.com",
        ] {
            assert!(check(&KeyId::email(bad)).is_err(), "{bad:?}");
        }
    }
}
