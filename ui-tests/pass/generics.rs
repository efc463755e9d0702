use actix_web::{FromRequest, Responder, web};
use lucia::{User, auth_request, authenticated};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

#[derive(Deserialize, Serialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn bounds<A: DeserializeOwned + Serialize + 'static>(user: User<A>) -> impl Responder {
    web::Json(serialized(&user.attributes))
}

#[authenticated]
async fn of_any_lifetime<T: FromRequest + ToString>(resource: T) -> String {
    resource.to_string()
}

#[authenticated]
async fn where_clause<A, R>(user: User<A>, resource: R) -> String
where
    A: AsRef<str> + DeserializeOwned + 'static,
    R: FromRequest + ToString + 'static,
{
    format!("{} {}", user.attributes.as_ref(), resource.to_string())
}

#[auth_request]
async fn constant<const LIMIT: usize, T: From<usize> + ToString>(body: web::Bytes) -> String {
    auth_request.set_session(None);
    T::from(body.len().min(LIMIT)).to_string()
}

#[auth_request]
async fn unused_by_parameters<F>() -> String
where
    F: for<'a> Fn(&'a str) -> &'a str + Default,
{
    F::default()("called").to_owned()
}

fn serialized<A: Serialize>(_: &A) -> u8 {
    0
}

fn main() {
    let _ = web::get().to(bounds::<Profile>);
    let _ = web::get().to(of_any_lifetime::<String>);
    let _ = web::get().to(where_clause::<String, String>);
    let _ = web::get().to(constant::<8, usize>);
}
