//! lucia on actix-web: `lucia-actix serve [one-by-one] [sweep] [anonymous] [cache [ENTRIES]]`.

use std::error::Error;
use std::time::Duration;

use actix_web::{App, HttpServer, Responder, get, post, web};
use lucia::{
    Auth, CacheOptions, CookieOptions, MaybeUser, Password, PgStore, User, auth_request,
    authenticated,
};
use serde::Deserialize;
use settings::Settings;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

/// `GET /me`.
#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    user.username.clone()
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

/// `POST /login`.
#[post("/login")]
#[auth_request]
async fn login(form: web::Form<Credentials>) -> lucia::Result<String> {
    let Credentials { username, password } = form.into_inner();
    let password = Password::new(("username", &username), &password);
    auth_request.sign_in(password).await?;
    Ok(username)
}

/// The same for users who are signed in, and open to all others.
#[get("/me")]
async fn anybody(MaybeUser(user): MaybeUser<Profile>) -> impl Responder {
    user.map_or_else(|| "user-0".to_owned(), |user| user.attributes.username)
}

/// The cache as it comes, or with room for a number of sessions that all stay in it.
fn cache() -> Result<CacheOptions, Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "cache");
    Ok(match arguments.nth(1) {
        None => CacheOptions::new(),
        Some(entries) => CacheOptions::new()
            .entries(entries.parse()?)
            .max_age(Duration::from_secs(60 * 60)),
    })
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let asked_for = |what: &str| std::env::args().skip(2).any(|argument| argument == what);

    let mut store = PgStore::builder()
        .max_connections(settings.pool)
        .batched_lookups(!asked_for("one-by-one"));
    if asked_for("cache") {
        store = store.cache(cache()?);
    }
    let store = store.connect(&settings.database_url).await?;
    if asked_for("cache") {
        store.migrate(&[]).await?; // makes its triggers
        while !store.is_cache_answering() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let anonymous = asked_for("anonymous");
    let mut auth = Auth::builder(store);
    if anonymous {
        // Whatever cookie is sent is another site's, as it were.
        auth = auth.cookie(CookieOptions::new().name("another_session"));
    }
    let auth = auth.build()?;
    let _sweeper = match asked_for("sweep") {
        // At once, and then not again as long as a measurement takes.
        true => Some(auth.sweeper().jitter(Duration::ZERO).start()?),
        false => None,
    };

    let auth = web::Data::new(auth);
    let routes = move |config: &mut web::ServiceConfig| {
        if anonymous {
            config.service(anybody);
        } else {
            config.service(me).service(login);
        }
    };
    let server = HttpServer::new(move || App::new().app_data(auth.clone()).configure(routes))
        .workers(settings.workers)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", settings.port))?
        .run();
    settings::ready()?;
    Ok(server.await?)
}
