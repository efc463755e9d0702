// The path says which framework an attribute is for.

mod on_actix {
    use lucia::authenticated;

    #[actix_web::get("/")]
    #[authenticated]
    pub async fn root() -> &'static str {
        "actix"
    }

    #[lucia::actix::auth_request]
    pub async fn by_path(body: String, rest: actix_web::web::Bytes) -> String {
        format!("{body}{}", rest.len())
    }
}

mod on_axum {
    use lucia::axum::authenticated;

    #[authenticated]
    pub async fn root() -> &'static str {
        "axum"
    }
}

fn main() {
    let _: axum::Router = axum::Router::new().route("/", axum::routing::get(on_axum::root));
    let _ = actix_web::web::get().to(on_actix::by_path);
    let _ = |config: &mut actix_web::web::ServiceConfig| {
        config.service(on_actix::root);
    };
}
