//! What a function for `permit` can be: of the user, the session or both; sync or async; with an error
//! of its own or without.

#![deny(warnings)]
#![deny(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications
)]
#![deny(
    unused_results,
    unused_lifetimes,
    elided_lifetimes_in_paths,
    single_use_lifetimes
)]
#![deny(
    let_underscore_drop,
    non_ascii_idents,
    trivial_casts,
    redundant_lifetimes
)]
#![deny(
    future_incompatible,
    nonstandard_style,
    rust_2018_idioms,
    rust_2024_compatibility,
    unused
)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used)]
// Of a handler itself, with or without the attribute.
#![allow(clippy::future_not_send)]
// Of a rule itself, which is given what it takes.
#![allow(clippy::needless_pass_by_value)]
#![allow(clippy::redundant_pub_crate)] // `unreachable_pub` wants it.
#![forbid(unsafe_code)]

use std::fmt;
use std::future::{Ready, ready};

use actix_web::{Responder, get, web};
use lucia::{Session, User, auth_request, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    is_admin: bool,
}

#[derive(Deserialize)]
struct Device {
    is_trusted: bool,
}

/// What a rule can fail with.
#[derive(Debug)]
struct Unreachable;

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the list of the banned cannot be reached")
    }
}

impl std::error::Error for Unreachable {}

mod rules {
    use super::{Deserialize, Device, Profile, Ready, Session, Unreachable, User, ready};

    pub(super) fn of_the_user(user: User<Profile>) -> bool {
        user.attributes.is_admin
    }

    pub(super) fn of_the_id(user: User) -> bool {
        user.id.as_str() == "ada"
    }

    pub(super) fn of_the_session(session: Session) -> bool {
        session.device.is_some()
    }

    pub(super) fn of_the_attributes_of_the_session(session: Session<Device>) -> bool {
        session.attributes.is_trusted
    }

    pub(super) fn of_both(user: User<Profile>, session: Session<Device>) -> bool {
        user.attributes.is_admin && session.attributes.is_trusted
    }

    pub(super) async fn later(user: User<Profile>) -> bool {
        ready(user.attributes.is_admin).await
    }

    pub(super) async fn of_both_later(user: User<Profile>, session: Session) -> bool {
        ready(user.id == session.user_id).await
    }

    pub(super) fn another_future(user: User<Profile>) -> Ready<bool> {
        ready(user.attributes.is_admin)
    }

    pub(super) fn fallible(user: User<Profile>) -> Result<bool, Unreachable> {
        if user.attributes.is_admin {
            Ok(true)
        } else {
            Err(Unreachable)
        }
    }

    pub(super) async fn fallible_later(user: User<Profile>) -> Result<bool, Unreachable> {
        ready(fallible(user)).await
    }

    pub(super) async fn with_our_error(session: Session) -> lucia::Result<bool> {
        let device = ready(session.typed::<Device>()).await?.attributes;
        Ok(device.is_trusted)
    }

    pub(super) fn with_any_error(
        user: User<Profile>,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        fallible(user).map_err(Into::into)
    }

    pub(super) fn with_a_text(user: User<Profile>) -> Result<bool, &'static str> {
        fallible(user).map_err(|_| "unreachable")
    }

    pub(super) trait Role {
        fn is_admin(&self) -> bool;
    }

    impl Role for Profile {
        fn is_admin(&self) -> bool {
            self.is_admin
        }
    }

    pub(super) fn is_admin<P: Role + for<'de> Deserialize<'de>>(user: User<P>) -> bool {
        user.attributes.is_admin()
    }

    pub(super) struct Admins;

    impl Admins {
        pub(super) fn permits(user: User<Profile>) -> bool {
            user.attributes.is_admin
        }
    }
}

macro_rules! handlers {
    ($($name:ident: $permit:path,)*) => {
        $(
            #[authenticated(permit = $permit)]
            async fn $name() -> &'static str {
                stringify!($name)
            }
        )*

        fn mount_all(config: &mut web::ServiceConfig) {
            let _ = config$(.route(stringify!($name), web::get().to($name)))*;
        }
    };
}

handlers! {
    of_the_user: rules::of_the_user,
    of_the_id: rules::of_the_id,
    of_the_session: rules::of_the_session,
    of_the_attributes_of_the_session: rules::of_the_attributes_of_the_session,
    of_both: rules::of_both,
    later: rules::later,
    of_both_later: rules::of_both_later,
    another_future: rules::another_future,
    fallible: rules::fallible,
    fallible_later: rules::fallible_later,
    with_our_error: rules::with_our_error,
    with_any_error: rules::with_any_error,
    with_a_text: rules::with_a_text,
}

/// Names a generic function.
#[get("/generic")]
#[authenticated(permit = rules::is_admin::<Profile>)]
async fn generic(user: User<Profile>, session: Session<Device>) -> impl Responder {
    auth_request.set_session(Some(&session.untyped()));
    format!(
        "{}{}",
        user.attributes.is_admin, session.attributes.is_trusted
    )
}

/// Names a function of a type.
#[authenticated(permit = rules::Admins::permits)]
#[get("/method")]
async fn method() -> &'static str {
    "method"
}

/// Takes the session with its attributes.
#[auth_request]
async fn typed_session(session: Session<Device>) -> String {
    format!("{}", session.attributes.is_trusted)
}

/// Names what is in scope at the handler only.
fn local(config: &mut web::ServiceConfig) {
    fn is_local(_: Session) -> bool {
        true
    }

    #[authenticated(permit = is_local)]
    async fn handler() -> &'static str {
        "handler"
    }

    let _ = config.route("/local", web::get().to(handler));
}

fn mount(config: &mut web::ServiceConfig) {
    mount_all(config);
    local(config);
    let _ = config
        .service(generic)
        .service(method)
        .route("/typed", web::get().to(typed_session));
}

fn main() {
    let _ = mount;
}
