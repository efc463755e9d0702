// Every attribute lands where it means what it says: on the handler or on the function inside it.

#![deny(warnings)]

use actix_web::{get, web};
use lucia::{Session, auth_request, authenticated};

#[authenticated]
#[cfg(not(all()))]
async fn left_out(_: NoSuchType) -> NoSuchType {}

#[cfg(all())]
#[authenticated]
#[cfg(all())]
#[cfg_attr(all(), allow(non_snake_case), inline)]
#[cfg_attr(not(all()), no_such_attribute)]
async fn conditional(Parameter: String) -> String {
    Parameter
}

#[auth_request]
#[deprecated = "use `conditional`"]
async fn old() -> &'static str {
    "old"
}

#[authenticated]
#[allow(unused_variables)]
async fn allowed(session: Session) -> &'static str {
    "allowed"
}

#[authenticated]
#[expect(unused_variables)]
async fn expected(session: Session) -> &'static str {
    "expected"
}

#[get("/")]
#[expect(unused_mut)]
#[authenticated]
async fn expected_above(mut session: Session) -> String {
    format!("{:?}", session.id)
}

#[authenticated]
async fn on_a_parameter(
    #[allow(unused_variables)] session: Session,
    #[expect(unused_variables)] body: String,
) -> &'static str {
    "on a parameter"
}

#[authenticated]
async fn inside_the_body(session: Session) -> &'static str {
    #![allow(unused_variables)]
    "inside the body"
}

fn main() {
    #[expect(deprecated)]
    let _ = web::get().to(old);
    let _ = web::get().to(conditional);
    let _ = web::get().to(allowed);
    let _ = web::get().to(expected);
    let _ = web::get().to(on_a_parameter);
    let _ = web::get().to(inside_the_body);
    let _ = |config: &mut web::ServiceConfig| {
        config.service(expected_above);
    };
}
