use axum::extract::{FromRequest, FromRequestParts, Json, State};
use axum::routing::{get, post};
use axum::{Router, body::Bytes, response::IntoResponse};
use lucia::User;
use lucia::axum::{auth_request, authenticated};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Clone, Deserialize, Serialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn bounds<A: DeserializeOwned + Serialize + Send>(user: User<A>) -> impl IntoResponse {
    Json(user.attributes)
}

#[authenticated]
async fn not_said_to_be_sent<T: ToString>(resource: T) -> String {
    resource.to_string()
}

#[authenticated]
async fn where_clause<A, R>(user: User<A>, resource: R) -> String
where
    A: AsRef<str>,
    R: FromRequest<Profile>,
    R: ToString,
{
    format!("{} {}", user.attributes.as_ref(), resource.to_string())
}

#[auth_request]
async fn constant<const LIMIT: usize, T: From<usize> + ToString>(body: Bytes) -> String {
    auth_request.set_session(None);
    T::from(body.len().min(LIMIT)).to_string()
}

#[auth_request]
async fn of_any_state<S: Clone + Serialize>(State(state): State<S>) -> impl IntoResponse {
    Json(state)
}

#[authenticated]
async fn impl_trait(
    parts: impl FromRequestParts<Profile> + Send + AsRef<str>,
    Json(body): Json<impl Serialize>,
) -> String {
    let _ = Json(body);
    parts.as_ref().to_owned()
}

// The guard knows the parameters of the handler.
#[authenticated(permit = has_role::<R>, recent = "10m")]
async fn with_role<R: Role>() -> &'static str {
    R::NAME
}

fn has_role<R: Role>(user: User<Profile>) -> bool {
    user.username == R::NAME
}

trait Role: 'static {
    const NAME: &str;
}

struct Admin;

impl Role for Admin {
    const NAME: &str = "admin";
}

struct Text(String);

impl<S: Sync> FromRequestParts<S> for Text {
    type Rejection = lucia::Error;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> lucia::Result<Self> {
        Ok(Self(parts.uri.to_string()))
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn main() {
    let _: Router<Profile> = Router::new()
        .route("/bounds", get(bounds::<Profile>))
        .route("/sent", post(not_said_to_be_sent::<String>))
        .route("/where", post(where_clause::<String, String>))
        .route("/constant", post(constant::<8, usize>))
        .route("/role", get(with_role::<Admin>))
        .route("/state", get(of_any_state::<Profile>))
        .route("/impl", post(impl_trait::<Text, Vec<Profile>>));
}
