//! An application on axum without authentication.

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

async fn me() -> String {
    "Hello 0".to_owned()
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new().route("/", get(me));
    axum::serve(TcpListener::bind("127.0.0.1:8080").await?, app).await
}
