//! `Debug` and `Display` of whatever an application holds, and of every error with its sources.

use std::error::Error as _;
use std::fmt::Debug;

use lucia::store::{KeyRow, NewUserRow, UserRow, UserStore as _};
use lucia::{
    Auth, CookieOptions, Error, MaybeUser, NewUser, NoAttributes, PasswordOptions, PgStore, User,
    UserId,
};
use serde_json::json;

use super::{BROKEN_HASH, NEW_VALUE, PASSWORD, Secrets, WRONG_PASSWORD};
use crate::support::{Stage, on_each_store};

on_each_store![
    r46_nothing_that_an_application_holds_shows_a_secret,
    r46_no_error_shows_a_secret,
];

fn new_user<A: serde::Serialize>(attributes: &A) -> NewUser<'static, A> {
    NewUser::with_password(("username", "ada"), PASSWORD).attributes(attributes)
}

async fn create(auth: &Auth, columns: serde_json::Value) -> Result<User, Error> {
    auth.create_user(new_user(&columns).returning::<NoAttributes>())
        .await
}

async fn r46_nothing_that_an_application_holds_shows_a_secret(stage: Stage) {
    stage.add_columns(&["nickname TEXT"]).await;
    let builder = stage.builder().await;
    let store = stage.store().await;
    let mut shown: Vec<String> = Vec::new();
    let mut show = |value: &dyn Debug| shown.push(format!("{value:?} {value:#?}"));
    show(&builder);
    show(&store);
    let auth = builder.build().unwrap();
    show(&auth);
    let columns = json!({ "username": "ada", "nickname": NEW_VALUE });
    show(&new_user(&columns));
    let created = create(&auth, columns).await.unwrap();
    show(&created);
    show(&MaybeUser(Some(created.clone())));
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    show(&key.unwrap());
    show(&auth.verify_password(("username", "ada"), PASSWORD));
    show(&auth.create_session(&created.id));

    let session = auth.create_session(&created.id).await.unwrap();
    show(&session);
    show(session.info());
    show(session.token());
    let cookie = auth.session_cookie(Some(&session));
    show(&cookie);
    show(&auth.session(&session.id).await.unwrap());
    show(&auth.user_sessions(&created.id).await.unwrap());

    let header = format!("{}={}", cookie.name(), cookie.value());
    let request = actix_web::test::TestRequest::get().insert_header(("cookie", header));
    let request = request.to_http_request();
    let auth_request = auth.handle_request(&request);
    show(&auth_request);
    show(&auth.read_session_cookie(&request));
    let found = auth_request.validate_user::<NoAttributes>().await.unwrap();
    show(&found);
    assert!(found.is_some());
    auth_request.set_session(Some(&session));
    show(&auth_request);
    show(&lucia::adapter::response_headers(&auth_request).await);

    let stored = store.user_keys(&created.id).await.unwrap();
    let hash = stored[0].hashed_password.clone().unwrap();
    show(&stored);
    show(&store.user(&created.id).await.unwrap());
    show(&store.describe_users().await.unwrap());
    show(&store.session_and_user(&session.id).await.unwrap());
    let ada: UserId = "ada".parse().unwrap();
    let attributes = serde_json::from_value(json!({ "nickname": NEW_VALUE })).unwrap();
    show(&NewUserRow::new(ada.clone(), attributes));
    show(&UserRow::new(ada.clone(), NEW_VALUE));
    let broken = Some(BROKEN_HASH.to_owned());
    show(&KeyRow::new("username:ada", ada, broken));
    show(&(PasswordOptions::new(), CookieOptions::new()));

    let secrets = Secrets::with([session.token().expose().to_owned(), hash]);
    assert!(shown.len() >= 27);
    for text in shown {
        secrets.assert_not_in(&text, "Debug");
    }
}

/// Everything that a log could have of an error.
fn everything_of(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text.push_str(error.public_message());
    text
}

async fn r46_no_error_shows_a_secret(stage: Stage) {
    stage
        .add_columns(&[
            "nickname TEXT",
            "age INTEGER CONSTRAINT adult CHECK (age >= 18)",
        ])
        .await;
    let auth = stage.auth().await;
    let columns = json!({ "username": NEW_VALUE, "nickname": NEW_VALUE });
    let user = create(&auth, columns.clone()).await.unwrap();
    let session = auth.create_session(&user.id).await.unwrap();
    let hash = stage.value("SELECT hashed_password FROM user_key").await;
    let secrets = Secrets::with([session.token().expose().to_owned(), hash.unwrap()]);

    let mut errors = Vec::new();
    let mut note = |error: Option<Error>| errors.push(error.expect("it fails"));
    // One of each kind that a value, a password or a token can be near to.
    note(create(&auth, columns.clone()).await.err());
    let refused = auth
        .verify_password(("username", "ada"), WRONG_PASSWORD)
        .await;
    note(refused.err());
    let long = PASSWORD.repeat(40);
    let new = NewUser::with_password(("username", "bob"), &long);
    note(auth.create_user(new).await.err());
    let new = NewUser::with_password((NEW_VALUE, "a\0"), PASSWORD);
    note(auth.create_user(new).await.err());
    let numbered = auth.user::<std::collections::HashMap<String, u8>>(&user.id);
    note(numbered.await.err());

    stage.execute("DELETE FROM user_key").await;
    note(create(&auth, columns).await.err());
    for refused in [
        json!({ "username": NEW_VALUE, "id": NEW_VALUE }),
        json!([NEW_VALUE]),
        json!(NEW_VALUE),
        json!({ "username": format!("{NEW_VALUE}\0") }),
        json!({ "username": NEW_VALUE, "nowhere": NEW_VALUE }),
        json!({ "username": "bob", "nickname": NEW_VALUE, "age": 3 }),
        json!({ "username": null, "nickname": NEW_VALUE }),
    ] {
        note(create(&auth, refused).await.err());
    }
    stage.probe.set_down(true);
    note(auth.validate_session(session.token()).await.err());
    stage.probe.set_down(false);

    let kinds: std::collections::HashSet<_> = errors.iter().map(std::mem::discriminant).collect();
    assert!(kinds.len() >= 8, "{errors:?}");
    for error in errors {
        secrets.assert_not_in(&everything_of(&error), "an error");
    }
}

#[tokio::test]
async fn r46_the_password_of_the_database_is_not_shown() {
    let stage = Stage::postgres().await;
    // A server that asks for none takes any.
    let url = with_password(&stage.database().url_by(stage.proxy().port()));
    let secrets = Secrets::with::<String>([]);
    let found = secrets.watch();
    let store = PgStore::connect(&url).await.unwrap();
    secrets.assert_not_in(&format!("{store:?} {:?}", PgStore::builder()), "Debug");
    stage.proxy().cut();
    let refused = store.user(&"ada".parse().unwrap()).await.unwrap_err();
    secrets.assert_not_in(&everything_of(&refused.into()), "an outage");
    for url in [
        url.clone(),
        url.replace("postgres://", "postgres:/"),
        format!("{url}?sslmode=require"),
        format!("{url}?nonsense=1"),
        format!("{url}?connect_timeout=x"),
        format!("host=localhost password='{PASSWORD}"),
        format!("host=localhost password={PASSWORD} port=x"),
        format!("postgres://ada:{PASSWORD}@127.0.0.1:{PASSWORD}/x"),
    ] {
        let refused = PgStore::connect(&url).await.unwrap_err();
        secrets.assert_not_in(&everything_of(&refused), &url.replace(PASSWORD, "***"));
    }
    assert_eq!(found.lines(), Vec::<String>::new());
}

/// A URL with [`PASSWORD`] for its user.
fn with_password(url: &str) -> String {
    let (start, rest) = url.split_once('@').expect("the url names a user");
    let (_, user) = start.split_once("//").expect("the url has a scheme");
    let user = user.split(':').next().unwrap_or(user);
    format!("postgres://{user}:{PASSWORD}@{rest}")
}
