use super::*;

/// One error of each kind, and which variant it is. A new variant does not compile here until it is listed
/// in `all`.
fn variant(error: &Error) -> &'static str {
    match error {
        Error::InvalidOneTimeToken => "InvalidOneTimeToken",
        Error::InvalidCredentials => "InvalidCredentials",
        Error::Unauthenticated => "Unauthenticated",
        Error::CrossOrigin => "CrossOrigin",
        Error::ReauthenticationRequired => "ReauthenticationRequired",
        Error::Forbidden => "Forbidden",
        Error::UnknownUser => "UnknownUser",
        Error::UnknownKey => "UnknownKey",
        Error::UnknownSession => "UnknownSession",
        Error::InvalidPassword(_) => "InvalidPassword",
        Error::InvalidUserId(_) => "InvalidUserId",
        Error::InvalidKey { .. } => "InvalidKey",
        Error::InvalidAddress { .. } => "InvalidAddress",
        Error::InvalidAttribute { .. } => "InvalidAttribute",
        Error::DuplicateKey => "DuplicateKey",
        Error::DuplicateUser => "DuplicateUser",
        Error::LastKey => "LastKey",
        Error::Constraint(_) => "Constraint",
        #[cfg(feature = "oauth")]
        Error::OAuth(_) => "OAuth",
        Error::TooManyAttempts { .. } => "TooManyAttempts",
        Error::Busy => "Busy",
        Error::Unavailable(_) => "Unavailable",
        Error::Setting { .. } => "Setting",
        Error::Schema { .. } => "Schema",
        Error::Misuse(_) => "Misuse",
        Error::Internal(_) => "Internal",
    }
}

#[cfg(feature = "oauth")]
fn oauth(kind: OAuthErrorKind) -> Error {
    Error::OAuth(OAuthError::new(kind, "test", String::new()))
}

pub(crate) fn all() -> Vec<Error> {
    let table = || "auth_user".to_owned();
    let broken = |kind| Error::Constraint(ConstraintViolation::new(kind, "auth_user"));
    vec![
        Error::InvalidPassword(PasswordProblem::Empty),
        Error::InvalidUserId(InvalidUserId::Empty),
        Error::InvalidKey { reason: "" },
        Error::InvalidAddress { reason: "" },
        Error::InvalidAttribute {
            table: table(),
            column: None,
            reason: String::new(),
        },
        Error::InvalidOneTimeToken,
        Error::InvalidCredentials,
        Error::Unauthenticated,
        Error::ReauthenticationRequired,
        Error::CrossOrigin,
        Error::Forbidden,
        Error::UnknownUser,
        Error::UnknownKey,
        Error::UnknownSession,
        Error::DuplicateKey,
        Error::DuplicateUser,
        Error::LastKey,
        broken(ConstraintKind::Unique),
        broken(ConstraintKind::Referenced),
        broken(ConstraintKind::Check),
        #[cfg(feature = "oauth")]
        oauth(OAuthErrorKind::InvalidState),
        #[cfg(feature = "oauth")]
        oauth(OAuthErrorKind::Denied),
        #[cfg(feature = "oauth")]
        oauth(OAuthErrorKind::Revoked),
        #[cfg(feature = "oauth")]
        oauth(OAuthErrorKind::Unreadable),
        #[cfg(feature = "oauth")]
        oauth(OAuthErrorKind::InvalidAnswer),
        #[cfg(feature = "oauth")]
        oauth(OAuthErrorKind::Unreachable),
        Error::TooManyAttempts {
            retry_after: Duration::from_secs(1),
        },
        Error::Busy,
        Error::unavailable("gone"),
        Error::setting("cookie", ""),
        Error::Schema {
            table: table(),
            column: None,
            reason: String::new(),
        },
        Error::Misuse(String::new()),
        Error::internal("broken"),
    ]
}

/// The rows of the table in the documentation: variant, status, code.
fn documented() -> Vec<(String, u16, String)> {
    let rows = include_str!("../error.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("/// | [`"))
        .filter(|row| cfg!(feature = "oauth") || !row.starts_with("OAuth"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let variant = cells[0].split('`').next().unwrap();
        let code = cells[2].split('`').nth(1).unwrap();
        (
            variant.to_owned(),
            cells[1].parse().unwrap(),
            code.to_owned(),
        )
    })
    .collect()
}

#[test]
fn statuses_and_codes_are_those_of_the_table() {
    let in_code: Vec<_> = all()
        .iter()
        .map(|error| {
            (
                variant(error).to_owned(),
                error.status(),
                error.code().to_owned(),
            )
        })
        .collect();
    assert_eq!(in_code, documented());
}

#[test]
fn each_variant_says_its_status_and_code() {
    let source: Vec<&str> = include_str!("../error.rs").lines().map(str::trim).collect();
    let mut counts = std::collections::HashMap::new();
    for error in all() {
        *counts.entry(variant(&error)).or_insert(0) += 1;
    }
    for error in all().iter().filter(|error| counts[variant(error)] == 1) {
        let said = format!("/// Status {}, code `{}`.", error.status(), error.code());
        let is_said = source.iter().enumerate().any(|(at, line)| {
            let named = source[at..]
                .iter()
                .find(|line| !line.starts_with(['/', '#']));
            *line == said && named.is_some_and(|line| line.starts_with(variant(error)))
        });
        assert!(is_said, "{}: {said}", variant(error));
    }
}

#[test]
fn no_two_errors_that_a_client_can_cause_have_one_code() {
    let mut codes = std::collections::HashSet::new();
    for error in all() {
        let code = error.code();
        assert_eq!(code == "internal", error.status() == 500, "{error:?}");
        assert!(code == "internal" || codes.insert(code), "{error:?}");
        assert!(
            code.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        );
    }
}

#[test]
fn a_violation_names_table_column_and_constraint() {
    let violation = ConstraintViolation::new(ConstraintKind::Unique, "auth_user")
        .column(Some("email".into()))
        .constraint(Some("auth_user_email_key".into()));
    assert_eq!(
        Error::Constraint(violation).to_string(),
        "a value is taken in column `email` of table `auth_user` (`auth_user_email_key`)"
    );
}

#[test]
fn an_outage_is_503_and_never_401() {
    assert_eq!(Error::unavailable("gone").status(), 503);
    assert_eq!(Error::Busy.status(), 503);
    assert_eq!(Error::Unauthenticated.status(), 401);
}

#[test]
fn the_store_and_the_schema_are_not_told_to_clients() {
    let schema = Error::Schema {
        table: "auth_user".into(),
        column: Some("age".into()),
        reason: "it is missing".into(),
    };
    assert_eq!(schema.public_message(), "Internal error.");
    assert_eq!(
        schema.to_string(),
        "column `age` of table `auth_user` does not fit: it is missing"
    );
}
