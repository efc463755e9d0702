//! A web server with lucia.

use std::io;
use std::sync::mpsc;
use std::thread;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, Responder, get, post, web};
use lucia::{Auth, NewUser, Password, User, auth_request, authenticated};
use serde::{Deserialize, Serialize};

/// How many threads answer, each with a runtime.
const WORKERS: usize = 2;

/// A web server on a port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub(crate) struct Site {
    url: String,
    handle: ServerHandle,
}

#[derive(Deserialize, Serialize)]
struct Profile {
    username: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Deserialize)]
struct Change {
    username: String,
    password: String,
    new: String,
}

#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    user.username.clone()
}

#[post("/login")]
#[auth_request]
async fn login(form: web::Form<Credentials>) -> lucia::Result<&'static str> {
    let password = Password::new(("username", &form.username), &form.password);
    auth_request.sign_in(password).await?;
    Ok("")
}

#[post("/logout")]
#[auth_request]
async fn logout() -> lucia::Result<&'static str> {
    auth_request.sign_out().await?;
    Ok("")
}

#[post("/logout-everywhere")]
#[auth_request]
async fn logout_everywhere() -> lucia::Result<&'static str> {
    auth_request.sign_out_everywhere().await?;
    Ok("")
}

#[post("/password")]
#[auth_request]
async fn change_password(form: web::Form<Change>) -> lucia::Result<&'static str> {
    let current = Password::new(("username", &form.username), &form.password);
    auth_request.change_password(current, &form.new).await?;
    Ok("")
}

/// Creates a user.
pub(crate) async fn sign_up(auth: &Auth, username: &str, password: &str) -> lucia::Result<()> {
    let profile = Profile {
        username: username.to_owned(),
    };
    let user = NewUser::with_password(("username", username), password).attributes(&profile);
    auth.create_user(user).await.map(drop)
}

impl Site {
    pub(crate) fn start(auth: Auth) -> io::Result<Self> {
        let (told, started) = mpsc::channel();
        thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let auth = web::Data::new(auth);
                let app = move || {
                    App::new()
                        .app_data(auth.clone())
                        .service(me)
                        .service(login)
                        .service(logout)
                        .service(logout_everywhere)
                        .service(change_password)
                };
                let bound = HttpServer::new(app)
                    .workers(WORKERS)
                    .disable_signals()
                    .bind(("127.0.0.1", 0));
                match bound {
                    Ok(server) => {
                        let address = server.addrs()[0];
                        let running = server.run();
                        let _ = told.send(Ok(Self {
                            url: format!("http://{address}"),
                            handle: running.handle(),
                        }));
                        let _ = running.await;
                    }
                    Err(error) => drop(told.send(Err(error))),
                }
            });
        });
        started.recv().map_err(io::Error::other)?
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // It is told at once. When it has ended matters to nobody.
        drop(self.handle.stop(false));
    }
}
