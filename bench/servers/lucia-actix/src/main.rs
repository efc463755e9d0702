//! lucia on actix-web: `lucia-actix serve [one-by-one] [sweep] [anonymous] [redis] [redis-cache] [cache [ENTRIES]]`, and
//! `lucia-actix seed OUTFILE COUNT` for sessions in Redis.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use actix_web::{App, HttpServer, Responder, get, post, web};
use lucia::deadpool_postgres::{Manager, Pool, tokio_postgres::NoTls};
use lucia::{
    Auth, CacheOptions, CookieOptions, MaybeUser, Password, PgStore, RedisStore, User, UserId,
    auth_request, authenticated,
};
use serde::Deserialize;
use settings::Settings;
use tokio::task::JoinSet;

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
    let mut arguments = env::args().skip_while(|argument| argument != "cache");
    Ok(match arguments.nth(1) {
        None => CacheOptions::new(),
        Some(entries) => CacheOptions::new()
            .entries(entries.parse()?)
            .max_age(Duration::from_secs(60 * 60)),
    })
}

async fn redis(cache: Option<CacheOptions>) -> Result<RedisStore, Box<dyn Error>> {
    let mut builder = RedisStore::builder();
    let is_cached = cache.is_some();
    if let Some(cache) = cache {
        builder = builder.cache(cache);
    }
    let store = builder.connect(&env::var("REDIS_URL")?).await?;
    while is_cached && !store.is_cache_answering() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(store)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", ..] => serve().await,
        ["seed", file, count] => seed(file, count.parse()?).await,
        _ => Err("say `serve`, or `seed OUTFILE COUNT`".into()),
    }
}

/// Signs users in, some at a time, and writes their cookies.
async fn seed(file: &str, count: i64) -> Result<(), Box<dyn Error>> {
    const AT_ONCE: usize = 64;

    let database_url = env::var("DATABASE_URL")?;
    let store = PgStore::connect(&database_url).await?;
    let auth = Auth::builder(store).sessions(redis(None).await?).build()?;
    let pool = Pool::builder(Manager::new(database_url.parse()?, NoTls)).build()?;
    let users = "SELECT id, username FROM auth_user ORDER BY id LIMIT $1";
    let users = pool.get().await?.query(users, &[&count]).await?;
    let mut out = BufWriter::new(File::create(file)?);
    for users in users.chunks(AT_ONCE) {
        let mut sign_ins = JoinSet::new();
        for user in users {
            let (auth, id, username) = (
                auth.clone(),
                UserId::new(user.get::<_, String>(0))?,
                user.get(1),
            );
            sign_ins.spawn(async move {
                let session = auth.create_session(&id).await?;
                let cookie = auth.session_cookie(Some(&session));
                let username: String = username;
                Ok::<_, lucia::Error>(format!("{}={}\t{username}", cookie.name(), cookie.value()))
            });
        }
        while let Some(line) = sign_ins.join_next().await {
            writeln!(out, "{}", line??)?;
        }
    }
    Ok(out.flush()?)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let asked_for = |what: &str| env::args().skip(2).any(|argument| argument == what);

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
    if asked_for("redis") {
        let cache = asked_for("redis-cache").then(cache).transpose()?;
        auth = auth.sessions(redis(cache).await?);
    }
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
