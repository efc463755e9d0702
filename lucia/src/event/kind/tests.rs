use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn user_id() -> UserId {
    UserId::new("ada").unwrap()
}

fn session_id(letter: char) -> SessionId {
    letter.to_string().repeat(64).parse().unwrap()
}

/// One of each kind.
fn samples() -> Vec<EventKind> {
    let provider_id = || "username".to_owned();
    let purpose = || "verify an address".to_owned();
    let cause = InvalidationCause::Application;
    vec![
        EventKind::UserCreated {
            user_id: user_id(),
            provider_id: Some(provider_id()),
            in_transaction: false,
        },
        EventKind::UserUpdated {
            user_id: user_id(),
            columns: vec!["nickname".to_owned()],
        },
        EventKind::UserDeleted { user_id: user_id() },
        EventKind::KeyCreated {
            user_id: user_id(),
            provider_id: provider_id(),
            in_transaction: true,
        },
        EventKind::KeyDeleted {
            user_id: Some(user_id()),
            provider_id: provider_id(),
        },
        EventKind::EmailVerified {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::EmailClaimed {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::EmailChanged {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::EmailChangeUndone {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::PasswordSet {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::PasswordRemoved {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::PasswordChanged {
            user_id: user_id(),
            provider_id: provider_id(),
            session_id: session_id('a'),
            former_session_id: session_id('b'),
        },
        EventKind::PasswordReset {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::HashUpgraded {
            user_id: user_id(),
            provider_id: provider_id(),
        },
        EventKind::KeyVerified {
            user_id: user_id(),
            provider_id: provider_id(),
            method: SignInMethod::Password,
        },
        EventKind::SignInFailed {
            reason: SignInFailure::WrongPassword,
            method: SignInMethod::Password,
            provider_id: Some(provider_id()),
            user_id: Some(user_id()),
        },
        EventKind::SignedIn {
            user_id: user_id(),
            session_id: session_id('a'),
            method: SignInMethod::OAuth,
            provider_id: Some(provider_id()),
            proven: true,
            replaced_session_id: None,
        },
        EventKind::Reauthenticated {
            user_id: user_id(),
            session_id: session_id('a'),
            former_session_id: session_id('b'),
            method: SignInMethod::Link,
            provider_id: provider_id(),
        },
        EventKind::SignedOut {
            session_id: session_id('a'),
            user_id: Some(user_id()),
        },
        EventKind::SessionInvalidated {
            session_id: session_id('a'),
            user_id: Some(user_id()),
            cause,
        },
        EventKind::SessionsInvalidated {
            user_id: user_id(),
            kept_session_id: None,
            cause,
        },
        EventKind::SessionRenewed {
            user_id: user_id(),
            session_id: session_id('a'),
        },
        EventKind::SessionRotated {
            user_id: user_id(),
            session_id: session_id('a'),
            former_session_id: session_id('b'),
        },
        EventKind::OneTimeTokenCreated {
            purpose: purpose(),
            user_id: Some(user_id()),
        },
        EventKind::OneTimeTokenUsed {
            purpose: purpose(),
            user_id: Some(user_id()),
        },
        EventKind::OneTimeTokenRefused { purpose: purpose() },
        EventKind::OneTimeCodeCreated {
            purpose: purpose(),
            user_id: Some(user_id()),
        },
        EventKind::OneTimeCodeUsed {
            purpose: purpose(),
            user_id: Some(user_id()),
        },
        EventKind::OneTimeCodeRefused {
            purpose: purpose(),
            user_id: Some(user_id()),
            tries_left: Some(4),
        },
        EventKind::OneTimeTokensInvalidated { user_id: user_id() },
        EventKind::OriginRefused {
            reason: "it has another origin".to_owned(),
        },
        EventKind::AccessDenied {
            user_id: Some(user_id()),
            session_id: Some(session_id('a')),
            reason: AccessDenial::Forbidden,
        },
        EventKind::Interrupted {
            change: Box::new(EventKind::UserDeleted { user_id: user_id() }),
        },
    ]
}

#[test]
fn the_name_of_a_kind_is_the_one_in_its_json_and_each_has_one() {
    let samples = samples();
    let names: BTreeSet<_> = samples.iter().map(EventKind::name).collect();
    let (kinds, _) = include_str!("../kind.rs").split_once("\nimpl ").unwrap();
    assert_eq!(
        names.len(),
        kinds.matches("    #[non_exhaustive]\n").count()
    );
    for kind in samples {
        let value = serde_json::to_value(&kind).unwrap();
        assert_eq!(value["event"], kind.name());
    }
}

#[test]
fn the_ids_of_a_kind_are_those_in_its_json() {
    for kind in samples() {
        let value = serde_json::to_value(&kind).unwrap();
        let value = value.get("change").unwrap_or(&value);
        let text = |name: &str| value.get(name).and_then(|id| id.as_str());
        assert_eq!(kind.user_id().map(UserId::as_str), text("user_id"));
        assert_eq!(kind.session_id().map(SessionId::as_str), text("session_id"));
    }
}

#[test]
fn a_reason_is_named_as_in_the_json() {
    for reason in [
        SignInFailure::UnknownKey,
        SignInFailure::WrongPassword,
        SignInFailure::NoPassword,
        SignInFailure::HasPassword,
        SignInFailure::UnreadableHash,
        SignInFailure::OtherUser,
        SignInFailure::KeyChanged,
        SignInFailure::InvalidOneTimeToken,
        SignInFailure::UnverifiedAddress,
        SignInFailure::SessionEnded,
        SignInFailure::UnknownUser,
        SignInFailure::Throttled,
        SignInFailure::ThrottledBySpellings,
        SignInFailure::ThrottledByClient,
        SignInFailure::Busy,
        SignInFailure::Unavailable,
        SignInFailure::Cancelled,
    ] {
        assert_eq!(json!(reason), reason.name());
    }
}
