use actix_web::{HttpResponse, web};
use lucia::{Session, auth_request, authenticated};

#[auth_request]
async fn login() -> HttpResponse {
    auth_request.set_session(None);
    HttpResponse::NoContent().finish()
}

#[authenticated]
async fn whoami(session: Session) -> String {
    format!("{:?}", session.id)
}

fn main() {
    let _ = web::post().to(login);
    let _ = web::resource("/me").route(web::get().to(whoami)).to(whoami);
}
