use actix_web::web;

#[actix_web::get("/")]
#[lucia::authenticated]
#[lucia::auth_request]
async fn handler() -> &'static str {
    auth_request.set_session(None);
    "handler"
}

fn _mount(config: &mut web::ServiceConfig) {
    config.service(handler);
}

fn main() {}
