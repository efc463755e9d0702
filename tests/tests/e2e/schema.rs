//! The application's own columns: of which types they can be, what is said when they do not fit,
//! and how tables may be called.

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, Responder, post, web};
use lucia::{Auth, Error, NewUser, NoAttributes, User};
use serde_json::{Map, Value};

use crate::support::{Browser, PASSWORD, Reply, Stage, actix};

mod found;
mod misfits;
mod names;
mod refusals;
mod types;

/// Signs somebody up with the columns that a client sends.
#[post("/join")]
async fn join(
    auth: web::Data<Auth>,
    columns: web::Json<Map<String, Value>>,
) -> lucia::Result<impl Responder> {
    create(&auth, "joined", &Value::Object(columns.into_inner())).await?;
    Ok(HttpResponse::Created())
}

fn routes(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
    config.service(join);
}

/// Creates a user of whom only the id is read.
async fn create(auth: &Auth, name: &str, columns: &Value) -> lucia::Result<User> {
    let new_user = NewUser::with_password(("username", name), PASSWORD).attributes(columns);
    auth.create_user(new_user.returning::<NoAttributes>()).await
}

async fn post_json(browser: &Browser, path: &str, body: &Value) -> Reply {
    let request = browser.request(reqwest::Method::POST, path);
    browser.send(request.json(body)).await
}

#[track_caller]
fn assert_schema<T: std::fmt::Debug>(
    outcome: Result<T, Error>,
    at: (&str, Option<&str>),
    doing: &str,
) {
    match &outcome {
        Err(Error::Schema { table, column, .. }) => {
            assert_eq!(
                (table.as_str(), column.as_deref()),
                at,
                "{doing}: {outcome:?}"
            );
        }
        other => panic!("{doing}, {at:?}: {other:?}"),
    }
}

/// The body is one sentence, which tells nothing of the database.
#[track_caller]
fn assert_says(reply: &Reply, status: u16, sentence: &str) {
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (status, sentence),
        "{reply:?}"
    );
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
}

/// Nobody has signed up, in any table.
async fn assert_empty(stage: &Stage) {
    assert_eq!(stage.dump().await, Vec::<String>::new());
}
