//! What `#[authenticated(..)]` takes: whom your own function lets in, and by what one signs in.

use std::time::Duration;

use lucia::{Error, Session, User};
use reqwest::Method;

use super::framework::{Path, Routes, authenticated, serve};
use crate::support::{Browser, Profile, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    a_permit_decides_before_the_parameters,
    a_permit_that_cannot_tell_lets_nobody_in,
    a_bearer_token_lets_in_and_gets_no_cookie,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn routes() -> Routes {
    Routes::default()
        .get("/of-ada/{number}", of_ada)
        .get("/untold", untold)
        .get("/api", api)
}

#[authenticated(permit = is_ada, redirect = "/login")]
async fn of_ada(number: Path<u8>) -> String {
    number.to_string()
}

async fn is_ada(user: User<Profile>, _session: Session) -> Result<bool, std::io::Error> {
    Ok(user.username == "ada")
}

#[authenticated(permit = cannot_tell)]
async fn untold() -> &'static str {
    "told"
}

async fn cannot_tell(_user: User<Profile>) -> Result<bool, Error> {
    Err(Error::unavailable("the directory is away"))
}

#[authenticated(bearer)]
async fn api(session: Session) -> String {
    session.user_id.to_string()
}

async fn site(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    (serve(auth, routes()).await, session)
}

async fn a_permit_decides_before_the_parameters(stage: Stage) {
    let (site, ada) = site(&stage).await;
    let eve = sign_up(&site.auth, "eve").await;
    let permitted = site.browser_of(&ada).get("/of-ada/1").await;
    assert_eq!((permitted.status, permitted.body.as_str()), (200, "1"));
    let forbidden = site.browser_of(&eve).get("/of-ada/no-number").await;
    assert_eq!(forbidden.status, 403);
    let anonymous = site.browser().get("/of-ada/no-number").await;
    assert_eq!(anonymous.status, 303);
    let login = "/login?next=%2Fof-ada%2Fno-number";
    assert_eq!(anonymous.header("location"), Some(login));
}

async fn a_permit_that_cannot_tell_lets_nobody_in(stage: Stage) {
    let (site, session) = site(&stage).await;
    stage.clock.advance(2 * DAY);
    let reply = site.browser_of(&session).get("/untold").await;
    assert_eq!(reply.status, 503);
    assert!(!reply.body.contains("directory"), "{reply:?}");
    // The session was renewed all the same.
    reply.assert_renews(&session);
}

async fn with_token(browser: &Browser, token: &str) -> Reply {
    let request = browser.request(Method::GET, "/api");
    browser.send(request.bearer_auth(token)).await
}

async fn a_bearer_token_lets_in_and_gets_no_cookie(stage: Stage) {
    let (site, session) = site(&stage).await;
    stage.clock.advance(2 * DAY);
    let reply = with_token(&site.browser(), session.token().expose()).await;
    let user_id = session.user_id.as_str();
    assert_eq!((reply.status, reply.body.as_str()), (200, user_id));
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(reply.header("vary"), Some("Authorization"));

    for (reply, challenge) in [
        (site.browser_of(&session).get("/api").await, "Bearer"),
        (
            with_token(&site.browser(), "nonsense").await,
            "Bearer error=\"invalid_token\"",
        ),
    ] {
        assert_eq!(reply.status, 401);
        assert_eq!(reply.header("www-authenticate"), Some(challenge));
    }
}
