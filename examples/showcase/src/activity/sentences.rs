//! Events in words.

/// How a new user signs in. That is not told apart from the sign-up.
pub const SIGN_UP: &str = "sign-up";

/// What an event means to the user whom it is about; `None` for those that users need not see. `name` is that
/// of the provider, where `how` is the id of one.
pub fn sentence(event: &str, how: &str, name: &str) -> Option<String> {
    let with = match how {
        "" => String::new(),
        "password" => " with a password".to_owned(),
        "link" | "code" => format!(" with a mailed {how}"),
        SIGN_UP if event == "signed_in" => return None,
        _ => format!(" with {name}"),
    };
    let text = match event {
        "signed_in" => return Some(format!("Signed in{with}")),
        "sign_in_failed" => return Some(format!("A sign-in{with} failed")),
        "reauthenticated" => return Some(format!("Confirmed who you are{with}")),
        "signed_out" => "Signed out",
        "session_invalidated" => "Signed out one device",
        "sessions_invalidated" => "Signed out other devices",
        "user_created" => "Account created",
        "key_created" => return Some(format!("Linked {name}")),
        "key_deleted" => return Some(format!("Unlinked {name}")),
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
