//! Events in words.

/// What an event means to the user whom it is about; `None` for those that users need not see.
pub fn sentence(event: &str, provider: &str) -> Option<String> {
    let text = match event {
        "signed_in" => match provider {
            "" | "email" => "Signed in",
            _ => return Some(format!("Signed in with {provider}")),
        },
        "sign_in_failed" => "A sign-in failed",
        "reauthenticated" => "Confirmed who you are",
        "signed_out" => "Signed out",
        "session_revoked" => "Signed out one device",
        "sessions_revoked" => "Signed out other devices",
        "user_created" => "Account created",
        "key_created" => return Some(format!("Linked {provider}")),
        "key_deleted" => return Some(format!("Unlinked {provider}")),
        "email_verified" => "Address confirmed",
        "email_claimed" => "Address confirmed by its owner; passwords and sessions were removed",
        "email_changed" => "Address changed",
        "email_change_undone" => "Change of address undone",
        "password_set" => "Password set",
        "password_removed" => "Password removed",
        "password_changed" => "Password changed, and other devices signed out",
        "password_reset" => "Password reset, and all devices signed out",
        _ => return None,
    };
    Some(text.to_owned())
}
