use actix_web::{HttpRequest, get, web};
use lucia::authenticated;

#[get("/")]
#[authenticated]
async fn handler(
    _1: HttpRequest,
    _2: HttpRequest,
    _3: HttpRequest,
    _4: HttpRequest,
    _5: HttpRequest,
    _6: HttpRequest,
    _7: HttpRequest,
    _8: HttpRequest,
    _9: HttpRequest,
    _10: HttpRequest,
    _11: HttpRequest,
    _12: HttpRequest,
    _13: HttpRequest,
    _14: HttpRequest,
    _15: HttpRequest,
    _16: HttpRequest,
    body: web::Bytes,
) -> web::Bytes {
    body
}

fn main() {}
