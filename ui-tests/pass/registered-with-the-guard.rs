// `#[auto_route]` registers the function below it. Above ours, that is the guarded handler.

use actix_web::{Responder, web};
use auto_route::auto_route;
use lucia::authenticated;

#[auto_route("/admin")]
#[authenticated]
async fn admin() -> impl Responder {
    "secret"
}

fn main() {
    let _: fn(&mut web::ServiceConfig) = mount_admin;
}
