//! A site over real HTTP.

use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpResponse, HttpServer, Responder, get, post, web};
use lucia::{Auth, AuthRequest, NewUser, Session, User, auth_request, authenticated};
use serde::Deserialize;

use super::{Browser, Profile};

/// A site on a port of 127.0.0.1, on threads of its own, until it is dropped.
pub(crate) struct Site {
    pub(crate) auth: Auth,
    address: SocketAddr,
    handle: ServerHandle,
}

impl Site {
    pub(crate) async fn serve(
        auth: Auth,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let data = web::Data::new(auth.clone());
        Self::serve_with(auth, move |config| {
            config.app_data(data.clone());
            routes(config);
        })
        .await
    }

    /// A site that is given nothing but `routes`.
    pub(crate) async fn serve_with(
        auth: Auth,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let (started, starting) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(move || App::new().configure(routes.clone()))
                    .workers(2)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .bind(("127.0.0.1", 0))
                    .unwrap();
                let address = server.addrs()[0];
                let running = server.run();
                started.send((address, running.handle())).unwrap();
                running.await.unwrap();
            });
        });
        let (address, handle) = starting.await.unwrap();
        Self {
            auth,
            address,
            handle,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of its pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.origin())
    }

    /// A browser with the cookie of a session.
    pub(crate) fn browser_of(&self, session: &Session) -> Browser {
        let browser = self.browser();
        let cookie = self.auth.session_cookie(Some(session));
        browser.keep(cookie.name(), cookie.value());
        browser
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It is told at once; only the answer is a future.
        drop(self.handle.stop(false));
    }
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[post("/signup")]
#[auth_request]
async fn signup(
    auth: web::Data<Auth>,
    form: web::Form<Credentials>,
) -> lucia::Result<impl Responder> {
    let user = auth
        .create_user(
            NewUser::with_password("username", &form.username, &form.password).attributes(
                &Profile {
                    username: form.username.clone(),
                },
            ),
        )
        .await?;
    let session = auth.create_session(&user.id).await?;
    auth_request.set_session(Some(&session));
    Ok(HttpResponse::Created())
}

#[post("/login")]
#[auth_request]
async fn login(
    auth: web::Data<Auth>,
    form: web::Form<Credentials>,
) -> lucia::Result<impl Responder> {
    let key = auth
        .use_key("username", &form.username, Some(&form.password))
        .await?;
    let session = auth.create_session(&key.user_id).await?;
    auth_request.set_session(Some(&session));
    Ok(HttpResponse::NoContent())
}

#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    format!("Hello, {}!", user.username)
}

#[post("/logout")]
#[authenticated]
async fn logout(auth: web::Data<Auth>, session: Session) -> lucia::Result<impl Responder> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok(HttpResponse::NoContent())
}

/// Who is asking, for everybody.
#[get("/who")]
#[auth_request]
async fn who() -> lucia::Result<String> {
    name(&auth_request).await
}

#[post("/who")]
#[auth_request]
async fn who_posted() -> lucia::Result<String> {
    name(&auth_request).await
}

async fn name(auth_request: &AuthRequest) -> lucia::Result<String> {
    let found = auth_request.validate_user::<Profile>().await?;
    Ok(found.map_or("nobody".to_owned(), |(user, _)| user.attributes.username))
}

/// Takes the cookie away, and leaves the session.
#[get("/forget")]
#[auth_request]
async fn forget() -> HttpResponse {
    auth_request.set_session(None);
    HttpResponse::Ok().finish()
}

/// The handlers of the front page, and `/who` and `/forget`.
pub(crate) fn front_page(config: &mut ServiceConfig) {
    config
        .service(signup)
        .service(login)
        .service(me)
        .service(logout)
        .service(who)
        .service(who_posted)
        .service(forget);
}
