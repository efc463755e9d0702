// The expansion sees none of these names, and its own are seen by none.

use axum::{Router, routing::post};
use lucia::axum::{auth_request, authenticated};

mod core {}
mod std {}

#[derive(Debug)]
struct Result;
struct Response;
struct Incoming;
struct Guard;
#[allow(non_snake_case)]
fn Ok(_: Response, _: Incoming, _: Guard) -> Result {
    Result
}
#[allow(non_snake_case)]
fn Err() {}

#[authenticated]
async fn items(__lucia: u8Header, __p0: u8Header, __parameters: String) -> String {
    let result = Ok(Response, Incoming, Guard);
    Err();
    format!("{__lucia:?}{__p0:?}{__parameters}{result:?}")
}

#[allow(non_camel_case_types)]
type u8Header = axum::http::HeaderMap;

#[authenticated]
async fn r#type(r#match: String) -> String {
    r#match
}

macro_rules! handlers {
    ($(#[$attribute:meta] $name:ident($($parameter:ident: $type:ty),*) -> $returned:ty $body:block)*) => {
        $(
            #[$attribute]
            async fn $name($($parameter: $type),*) -> $returned $body
        )*
    };
}

handlers! {
    #[authenticated] first(headers: axum::http::HeaderMap, body: axum::body::Bytes) -> String { format!("{headers:?}{}", body.len()) }
    #[auth_request] second() -> impl axum::response::IntoResponse { "second" }
}

fn main() {
    let _: Router = Router::new()
        .route("/items", post(items))
        .route("/type", post(r#type))
        .route("/first", post(first))
        .route("/second", post(second));
}
