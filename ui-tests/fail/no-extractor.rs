use actix_web::{get, web};
use lucia::{Session, authenticated};

struct Profile;

#[get("/")]
#[authenticated]
async fn handler(_session: Session, profile: std::sync::Arc<Profile>, _body: web::Bytes) -> String {
    let Profile = *profile;
    String::new()
}

fn _mount(config: &mut web::ServiceConfig) {
    config.service(handler);
}

fn main() {}
