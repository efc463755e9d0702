use actix_web::{FromRequest, Responder, web};
use lucia::{auth_request, authenticated};
use serde::de::DeserializeOwned;

#[authenticated]
async fn returned() -> impl Responder + use<> {
    "returned"
}

#[authenticated]
async fn in_a_result(body: String) -> Result<impl Responder, Box<dyn std::error::Error>> {
    Ok(web::Json(body.parse::<u32>()?))
}

// What `impl Trait` stands for is named where the handler is registered.
#[auth_request]
async fn parameter(first: impl FromRequest + ToString + 'static, second: String) -> String {
    first.to_string() + &second
}

#[auth_request]
async fn inside_a_parameter<T: Default + ToString>(
    body: web::Json<impl DeserializeOwned + ToString + 'static>,
    _query: web::Query<(impl DeserializeOwned + 'static, u32)>,
) -> String {
    auth_request.set_session(None);
    body.to_string() + &T::default().to_string()
}

fn main() {
    let _ = web::get().to(returned);
    let _ = web::get().to(in_a_result);
    let _ = web::get().to(parameter::<String>);
    let _ = web::get().to(inside_a_parameter::<u8, String, String>);
}
