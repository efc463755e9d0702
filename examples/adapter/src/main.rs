//! A page for whoever is signed in, on poem: `DATABASE_URL=postgres://.. cargo run -p adapter`.

use adapter::{Lucia, SignedIn, refuse};
use lucia::{Auth, AuthRequest, Guard, NewUser, PgStore};
use poem::listener::TcpListener;
use poem::web::{Data, Json};
use poem::{EndpointExt, Route, Server, get, handler, post};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Profile {
    username: String,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[handler]
async fn signup(
    Data(auth_request): Data<&AuthRequest>,
    Json(form): Json<Credentials>,
) -> poem::Result<String> {
    let profile = Profile {
        username: form.username.clone(),
    };
    let new_user = NewUser::with_password(("username", &form.username), &form.password);
    let signed_up = auth_request.sign_up(new_user.attributes(&profile)).await;
    let (user, _) = signed_up.map_err(refuse)?;
    Ok(format!("Welcome, {}!", user.username))
}

#[handler]
async fn me(SignedIn(user): SignedIn<Profile>) -> String {
    format!("Hello, {}!", user.username)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = PgStore::connect(&std::env::var("DATABASE_URL")?).await?;
    store.migrate(&["username TEXT NOT NULL UNIQUE"]).await?;
    let auth = Auth::builder(store).build()?;
    let private = Lucia(auth.clone(), Guard::authenticated());
    let lucia = Lucia(auth.clone(), Guard::anyone());
    let app = Route::new()
        .at("/signup", post(signup))
        .at("/me", get(me).with(private))
        .data(auth)
        .with(lucia);
    Server::new(TcpListener::bind("127.0.0.1:8080"))
        .run(app)
        .await?;
    Ok(())
}
