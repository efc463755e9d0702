#![deny(warnings)]

use std::marker::PhantomData;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use lucia::axum::{auth_request, authenticated};
use lucia::{Session, User};
use serde::Deserialize;

trait Source: Send + Sync + 'static {
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

#[derive(Deserialize)]
struct Edit {
    title: String,
}

impl IntoResponse for Edit {
    fn into_response(self) -> Response {
        self.title.into_response()
    }
}

impl Edit {
    const LIMIT: usize = 80;

    fn check(user: User<Profile>) -> bool {
        user.is_admin
    }

    #[auth_request]
    async fn in_the_body(State(limit): State<usize>) -> String {
        auth_request.set_session(None);
        Self::LIMIT.min(limit).to_string()
    }

    #[authenticated(permit = Self::check)]
    #[axum::debug_handler(state = usize)]
    pub async fn everywhere(_user: User<Profile>, Json(edit): Json<Self>) -> Result<Self, Self> {
        let Self { title } = edit;
        Ok(Self { title })
    }

    #[authenticated(permit = Self::check)]
    async fn in_the_permit_alone(session: Session) -> String {
        session.user_id.to_string()
    }

    #[authenticated]
    async fn generic<T: Into<String> + Send + 'static>(Query(form): Query<T>) -> impl IntoResponse {
        Self { title: form.into() }
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
}

fn main() {
    let _: Router = Router::new()
        .route("/a", get(Edit::in_the_body))
        .route("/b", post(Edit::everywhere))
        .route("/c", get(Edit::in_the_permit_alone))
        .route("/d", get(Edit::generic::<String>))
        .route("/e", get(Api::<Pages>::name))
        .with_state(80_usize);
}
