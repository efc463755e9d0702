use actix_web::{Responder, route, routes, web};
use lucia::{Session, auth_request, authenticated};

#[routes]
#[get("/a")]
#[put("/b")]
#[authenticated]
async fn above(session: Session) -> impl Responder {
    format!("{:?}", session.id)
}

#[authenticated]
#[routes]
#[get("/a")]
#[delete("/b")]
async fn below(session: Session) -> impl Responder {
    format!("{:?}", session.id)
}

#[routes]
#[get("/a")]
#[auth_request]
#[put("/b")]
async fn between() -> impl Responder {
    auth_request.set_session(None);
    "between"
}

#[route("/", method = "GET", method = "POST")]
#[auth_request]
async fn route_above() -> &'static str {
    "above"
}

#[auth_request]
#[route("/", method = "GET", method = "POST")]
async fn route_below() -> &'static str {
    "below"
}

fn _mount(config: &mut web::ServiceConfig) {
    config
        .service(above)
        .service(below)
        .service(between)
        .service(route_above)
        .service(route_below);
}

fn main() {}
