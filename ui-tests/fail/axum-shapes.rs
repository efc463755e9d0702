use axum::http::HeaderMap;
use lucia::axum::authenticated;

struct Handlers;

impl Handlers {
    #[authenticated]
    async fn receiver(&self) -> String {
        String::new()
    }
}

#[authenticated]
async fn reference(name: &str) -> String {
    name.to_owned()
}

#[authenticated]
async fn no_return_type() {}

#[authenticated]
struct Handler;

#[authenticated]
async fn too_many(
    _1: HeaderMap,
    _2: HeaderMap,
    _3: HeaderMap,
    _4: HeaderMap,
    _5: HeaderMap,
    _6: HeaderMap,
    _7: HeaderMap,
    _8: HeaderMap,
    _9: HeaderMap,
    _10: HeaderMap,
    _11: HeaderMap,
    _12: HeaderMap,
    _13: HeaderMap,
    _14: HeaderMap,
    _15: HeaderMap,
    _16: HeaderMap,
    _17: HeaderMap,
) -> String {
    String::new()
}

fn main() {}
