//! Attributes that a client sends, and an application passes on.

use lucia::{Auth, Session};
use serde_json::{Value, json};

use super::framework::{Routes, authenticated, serve};
use crate::support::{Profile, Stage, on_each_store, sign_up};

on_each_store![r56_what_a_client_sends_as_attributes_is_refused_with_400,];

/// Trusts its client more than it should.
async fn pass_on(auth: &Auth, session: &Session, body: &str) -> lucia::Result<String> {
    let given: Value = serde_json::from_str(body).unwrap();
    let user = auth
        .update_user_attributes::<Profile>(&session.user_id, &given)
        .await?;
    Ok(user.attributes.username)
}

fn routes() -> Routes {
    Routes::default()
        .post("/profile", profile)
        .post("/device", device)
        .post("/session", session)
}

#[authenticated]
async fn profile(session: Session, body: String) -> lucia::Result<String> {
    pass_on(auth_request.auth(), &session, &body).await
}

#[authenticated]
async fn device(session: Session, body: String) -> lucia::Result<String> {
    let given: Value = serde_json::from_str(&body).unwrap();
    let auth = auth_request.auth();
    auth.update_session_attributes(&session.id, &given).await?;
    Ok("updated".to_owned())
}

#[authenticated]
async fn session(session: Session, body: String) -> lucia::Result<String> {
    let given: Value = serde_json::from_str(&body).unwrap();
    let auth = auth_request.auth();
    let created = auth.create_session(&session.user_id).attributes(&given);
    created.await?;
    Ok("created".to_owned())
}

async fn r56_what_a_client_sends_as_attributes_is_refused_with_400(stage: Stage) {
    let log = lucia_tests::watch(["attributes refused"]);
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let site = serve(auth, routes()).await;
    let browser = site.browser_of(&ada);
    let send = async |path: &str, body: &Value| {
        let request = browser.request(reqwest::Method::POST, path);
        browser.send(request.body(body.to_string())).await
    };
    let before = stage.dump().await;
    let long = "x".repeat(64);
    let names = [
        "id",
        "ID",
        "Id",
        "rowid",
        "_ROWID_",
        "oid",
        "ctid",
        "xmin",
        "tableoid",
        "user_id",
        "User_Id",
        "active_expires",
        "idle_expires",
        "created_at",
        "shoe_size",
        "Username",
        "username ",
        "\"username\"",
        "auth_user.username",
        "username\0",
        "",
        "u",
        "given",
        &long,
    ];
    for name in names {
        for value in [
            json!("mallory"),
            json!(7),
            json!(null),
            json!({ "id": "eve" }),
        ] {
            let body = json!({ (name): value, "username": "mallory" });
            for path in ["/profile", "/device", "/session"] {
                let reply = send(path, &body).await;
                let told = (reply.status, reply.body.as_str());
                assert_eq!(told, (400, "A value was refused."), "{path} {body}");
            }
        }
    }
    for body in [
        json!(null),
        json!(1),
        json!("id"),
        json!([{ "username": "eve" }]),
        json!(true),
    ] {
        for path in ["/profile", "/device", "/session"] {
            assert_eq!(send(path, &body).await.status, 400, "{path} {body}");
        }
    }
    assert_eq!(stage.dump().await, before);
    let lines = log.lines();
    let names_it = |line: &String| line.contains("`shoe_size`") && line.contains("auth_user");
    assert!(lines.iter().any(names_it), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("mallory")),
        "{lines:?}"
    );

    let renamed = json!({ "username": "countess" });
    assert_eq!(send("/profile", &renamed).await.body, "countess");
}
