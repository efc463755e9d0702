use actix_web::get;
use lucia::auth_request;

struct Failure;

#[get("/")]
#[auth_request]
async fn handler() -> Result<&'static str, Failure> {
    Err(Failure)
}

fn main() {}
