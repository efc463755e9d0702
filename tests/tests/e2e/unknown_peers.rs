//! Servers that do not say who the peer of a connection is.

use lucia::{Auth, SqliteStore, TrustedProxy};
use lucia_tests::watch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{Stage, actix, axum};

mod in_actix {
    use super::actix::{Response, answer};

    #[lucia::actix::auth_request]
    pub(super) async fn address() -> Response {
        answer(200, &[], &format!("{:?}", auth_request.client_address()))
    }
}

mod in_axum {
    use super::axum::{Response, answer};

    #[lucia::axum::auth_request]
    pub(super) async fn address() -> Response {
        answer(200, &[], &format!("{:?}", auth_request.client_address()))
    }
}

const UNKNOWN: &str = "does not say who its peer is";

#[tokio::test]
async fn axum_without_connect_info_has_no_address_and_says_once_what_to_write() {
    let stage = Stage::sqlite().await;
    let logged = watch(["into_make_service_with_connect_info"]);
    let routes = axum::Routes::default().get("/address", in_axum::address);
    let site = axum::serve_without_peers(stage.auth().await, routes).await;
    for _ in 0..3 {
        assert_eq!(site.browser().get("/address").await.body, "None");
    }
    let lines = logged.lines();
    let unknown = lines.iter().filter(|line| line.contains(UNKNOWN)).count();
    // The other one is that of the test below, in the same process.
    assert!((1..=2).contains(&unknown), "{lines:?}");
    assert!(lines[0].starts_with("WARN"), "{lines:?}");
}

#[tokio::test]
async fn a_unix_socket_has_no_address_but_that_of_a_trusted_proxy() {
    let directory = tempfile::tempdir().unwrap();
    for (trusted, expected) in [(false, "None"), (true, "Some(192.0.2.1)")] {
        let store = SqliteStore::open(directory.path().join("db"))
            .await
            .unwrap();
        let mut builder = Auth::builder(store);
        if trusted {
            builder = builder.trusted_proxy(TrustedProxy::XForwarded);
        }
        let path = directory.path().join(format!("{trusted}.sock"));
        let body = on_unix_socket(builder.build().unwrap(), &path).await;
        assert!(body.ends_with(expected), "{body}");
    }
}

async fn on_unix_socket(auth: Auth, path: &std::path::Path) -> String {
    let (started, starting) = tokio::sync::oneshot::channel();
    let at = path.to_owned();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let data = actix::Data::new(auth);
            let app = move || {
                let routes = actix::Routes::default().get("/address", in_actix::address);
                actix_web::App::new()
                    .app_data(data.clone())
                    .configure(|config| routes.configure(config))
            };
            let server = actix_web::HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .bind_uds(at)
                .unwrap()
                .run();
            started.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    let running = starting.await.unwrap();
    let mut stream = UnixStream::connect(path).await.unwrap();
    let request = b"GET /address HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 192.0.2.1\r\n\
                    connection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    running.stop(false).await;
    response
}
