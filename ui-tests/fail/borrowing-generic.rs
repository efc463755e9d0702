use actix_web::FromRequest;
use lucia::authenticated;

#[authenticated]
async fn handler<T: FromRequest + ToString>(resource: T) -> String {
    resource.to_string()
}

fn main() {}
