use actix_web::{App, HttpResponse, HttpServer, Responder, get, post, web};
use lucia::{Auth, NewUser, Password, PgStore, Session, User, auth_request, authenticated};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Profile {
    username: String,
} // the columns of your own user table

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[post("/signup")]
#[auth_request]
async fn signup(form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
    auth_request
        .sign_up(
            NewUser::with_password(("username", &form.username), &form.password).attributes(
                &Profile {
                    username: form.username.clone(),
                },
            ),
        )
        .await?;
    Ok(HttpResponse::Created())
}

#[post("/login")]
#[auth_request]
async fn login(form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
    auth_request
        .sign_in(Password::new(("username", &form.username), &form.password))
        .await?;
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
    auth.invalidate_session(&session.id).await?; // or both in one: auth_request.sign_out().await?
    auth_request.set_session(None);
    Ok(HttpResponse::NoContent())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = PgStore::connect(&std::env::var("DATABASE_URL")?).await?; // or PgStore::new(pool)
    store.migrate(&["username TEXT NOT NULL UNIQUE"]).await?; // creates what is missing; these columns are yours
    let auth = web::Data::new(Auth::builder(store).build()?);
    HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .service(signup)
            .service(login)
            .service(me)
            .service(logout)
    })
    .bind(("127.0.0.1", 8080))?
    .run()
    .await?;
    Ok(())
}
