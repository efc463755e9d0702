//! Many handlers that are alike, with the attribute and without it.

use std::fmt::Write;

/// What the handlers are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    Actix,
    Axum,
}

/// What is written above a handler and in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It does not know lucia.
    Plain,
    /// It takes the user.
    User,
    /// The same with `#[authenticated]` above.
    Authenticated,
}

pub(crate) const KINDS: [Kind; 3] = [Kind::Plain, Kind::User, Kind::Authenticated];

impl Kind {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Plain => "without lucia",
            Self::User => "with `User`",
            Self::Authenticated => "with `User` and `#[authenticated]`",
        }
    }
}

impl Framework {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Actix => "actix-web",
            Self::Axum => "axum",
        }
    }
}

/// A library with so many handlers, all of which are registered.
pub(crate) fn source(framework: Framework, kind: Kind, count: u32) -> String {
    let mut text = String::from("//! Many handlers.\n\n");
    text += match framework {
        Framework::Actix => "use actix_web::get;\nuse actix_web::web::ServiceConfig;\n",
        Framework::Axum => "use axum::Router;\nuse axum::routing::get;\n",
    };
    text += match (framework, kind) {
        (_, Kind::Plain) => "",
        (_, Kind::User) => "use lucia::User;\nuse serde::Deserialize;\n",
        (Framework::Actix, Kind::Authenticated) => {
            "use lucia::{User, authenticated};\nuse serde::Deserialize;\n"
        }
        (Framework::Axum, Kind::Authenticated) => {
            "use lucia::User;\nuse lucia::axum::authenticated;\nuse serde::Deserialize;\n"
        }
    };
    if kind != Kind::Plain {
        text += "\n#[derive(Deserialize)]\nstruct Profile {\n    username: String,\n}\n";
    }
    // Writing to a string cannot fail.
    for number in 0..count {
        let _ = writeln!(text);
        if framework == Framework::Actix {
            let _ = writeln!(text, "/// `GET /h{number}`.\n#[get(\"/h{number}\")]");
        }
        if kind == Kind::Authenticated {
            let _ = writeln!(text, "#[authenticated]");
        }
        let (parameter, body) = match kind {
            Kind::Plain => ("", format!("\"Hello {number}\".to_owned()")),
            _ => (
                "user: User<Profile>",
                format!("format!(\"Hello {number}, {{}}\", user.username)"),
            ),
        };
        let _ = writeln!(
            text,
            "async fn h{number}({parameter}) -> String {{\n    {body}\n}}"
        );
    }
    match framework {
        Framework::Actix => {
            text += "\n/// Registers them.\npub fn configure(config: &mut ServiceConfig) {\n";
            for number in 0..count {
                let _ = writeln!(text, "    config.service(h{number});");
            }
        }
        Framework::Axum => {
            text += "\n/// Registers them.\npub fn router() -> Router {\n    let mut router = Router::new();\n";
            for number in 0..count {
                let _ = writeln!(
                    text,
                    "    router = router.route(\"/h{number}\", get(h{number}));"
                );
            }
            text += "    router\n";
        }
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    #[allow(unreachable_pub, reason = "it is a library where it is measured")]
    mod actix;
    #[allow(unreachable_pub, reason = "it is a library where it is measured")]
    mod axum;

    use super::*;

    #[test]
    fn handlers_of_actix_web_compile() {
        let source = source(Framework::Actix, Kind::Authenticated, 2);
        assert_eq!(source, include_str!("handlers/tests/actix.rs"));
        let _ = actix_web::App::new().configure(actix::configure);
    }

    #[test]
    fn handlers_of_axum_compile() {
        let source = source(Framework::Axum, Kind::Authenticated, 2);
        assert_eq!(source, include_str!("handlers/tests/axum.rs"));
        let _ = axum::router();
    }

    #[test]
    fn kinds_differ_by_what_is_measured() {
        for framework in [Framework::Actix, Framework::Axum] {
            let authenticated = source(framework, Kind::Authenticated, 3);
            assert_eq!(authenticated.matches("#[authenticated]").count(), 3);
            let lines = |text: &str| {
                text.lines()
                    .filter(|line| !line.contains("authenticated"))
                    .count()
            };
            let with_user = source(framework, Kind::User, 3);
            assert!(!with_user.contains("authenticated"));
            assert!(lines(&with_user) - lines(&authenticated) <= 1);
            assert!(!source(framework, Kind::Plain, 3).contains("lucia"));
        }
    }
}
