#![deny(warnings)]

use std::marker::PhantomData;

use actix_web::{HttpResponse, Responder, ResponseError, web};
use lucia::{Session, User, auth_request, authenticated};
use serde::Deserialize;

trait Source: 'static {
    const NAME: &'static str;
}

struct Pages;

impl Source for Pages {
    const NAME: &'static str = "pages";
}

#[derive(Deserialize)]
struct Profile {
    is_admin: bool,
}

#[derive(Debug, Deserialize)]
struct Edit {
    title: String,
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title)
    }
}

impl ResponseError for Edit {}

impl Edit {
    const LIMIT: usize = 80;

    fn check(user: User<Profile>) -> bool {
        user.is_admin
    }

    fn parse(title: &str) -> Result<Self, Self> {
        let title = title.to_owned();
        if title.len() > Self::LIMIT {
            Err(Self { title })
        } else {
            Ok(Self { title })
        }
    }

    #[auth_request]
    async fn in_the_body() -> String {
        auth_request.set_session(None);
        Self::LIMIT.to_string()
    }

    /// In the parameters, the return type and the permit.
    #[authenticated(permit = Self::check)]
    #[must_use]
    pub async fn everywhere(_user: User<Profile>, edit: web::Json<Self>) -> Result<String, Self> {
        let Self { title } = edit.into_inner();
        Ok(Self::parse(&title)?.title)
    }

    #[authenticated(permit = Self::check)]
    async fn in_the_permit_alone(session: Session) -> String {
        session.user_id.to_string()
    }

    #[authenticated]
    async fn generic<T: Into<String> + serde::de::DeserializeOwned + 'static>(
        form: web::Form<T>,
        other: web::Query<impl Into<String> + serde::de::DeserializeOwned + 'static>,
    ) -> impl Responder
    where
        Self: Sized,
    {
        let title = form.into_inner().into() + &other.into_inner().into();
        HttpResponse::Ok().body(Self { title }.title)
    }

    #[authenticated]
    #[cfg(any())]
    async fn not_there() -> Nowhere {
        Self::nowhere()
    }

    #[authenticated]
    #[allow(unused_variables)]
    async fn with_lint_levels() -> &'static str {
        #![allow(unused_mut)]
        let mut unused = Self::LIMIT;
        "allowed"
    }

    #[authenticated]
    #[expect(unused_variables)]
    async fn with_an_expectation() -> &'static str {
        let unused = Self::LIMIT;
        "expected"
    }
}

struct Api<S>(PhantomData<S>);

impl<S: Source> Api<S> {
    #[authenticated]
    async fn name() -> &'static str {
        Self::source()
    }

    fn source() -> &'static str {
        S::NAME
    }

    // What belongs to the `impl` can be named where `Self` is.
    #[authenticated(redirect = "/login")]
    async fn parameter() -> &'static str {
        let _: PhantomData<Self> = PhantomData;
        S::NAME
    }
}

// The `Self` of an item in the body is another one.
#[authenticated]
async fn free() -> String {
    struct Inner(u8);

    impl Inner {
        fn new() -> Self {
            Self(1)
        }
    }

    Inner::new().0.to_string()
}

fn main() {
    let _ = web::get().to(Edit::in_the_body);
    let _ = web::get().to(Edit::everywhere);
    let _ = web::get().to(Edit::in_the_permit_alone);
    let _ = web::get().to(Edit::generic::<String, String>);
    let _ = web::get().to(Edit::with_lint_levels);
    let _ = web::get().to(Edit::with_an_expectation);
    let _ = web::get().to(Api::<Pages>::name);
    let _ = web::get().to(Api::<Pages>::parameter);
    let _ = web::get().to(free);
}
