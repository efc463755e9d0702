// `#[auto_route]` registers the function below it. Below ours, that is the function behind the guard.

use actix_web::Responder;
use auto_route::auto_route;
use lucia::authenticated;

#[authenticated]
#[auto_route("/admin")]
async fn admin() -> impl Responder {
    "secret"
}

fn main() {}
