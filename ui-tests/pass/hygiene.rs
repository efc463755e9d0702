// The expansion sees none of these names, and its own are seen by none.

use actix_web::web;
use lucia::{auth_request, authenticated};

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
async fn items(__lucia: String, __p0: String, __p1: String) -> String {
    let result = Ok(Response, Incoming, Guard);
    Err();
    format!("{__lucia}{__p0}{__p1}{result:?}")
}

#[auth_request]
async fn locals(__auth_request: String, __outgoing: String, __response: String) -> String {
    auth_request.set_session(None);
    __auth_request + &__outgoing + &__response
}

#[authenticated]
async fn r#type(r#match: String) -> String {
    r#match
}

#[authenticated]
async fn generic<__P0: ::core::default::Default + Into<String>>(__lucia: String) -> String {
    __lucia + &__P0::default().into()
}

macro_rules! handlers {
    ($(#[$attribute:meta] $name:ident($parameter:ident: $type:ty) -> $returned:ty $body:block)*) => {
        $(
            #[$attribute]
            async fn $name($parameter: $type) -> $returned $body
        )*
    };
}

handlers! {
    #[authenticated] first(body: web::Bytes) -> String { format!("{}", body.len()) }
    #[auth_request] second(body: String) -> impl actix_web::Responder { body }
}

fn main() {
    let _ = web::get().to(items);
    let _ = web::get().to(locals);
    let _ = web::get().to(r#type);
    let _ = web::get().to(generic::<String>);
    let _ = web::get().to(first);
    let _ = web::get().to(second);
}
