//! A colleague is invited by a link, as in the recipe.

use lucia::{Auth, NewUser, TokenPurpose};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::framework::{
    Data, Form, Query, Response, answer, auth_request, authenticated, front_page, serve,
};
use crate::support::{PASSWORD, Profile, Site, Stage, on_each_store, sign_up};

on_each_store![
    r60_opening_a_link_uses_nothing_and_posting_its_form_does,
    r58_a_link_that_was_used_or_is_wrong_signs_nobody_up,
];

#[derive(Serialize, Deserialize)]
struct Invitation {
    username: String,
    invited_by: String,
}

const INVITATION: TokenPurpose<Invitation> = TokenPurpose::new("invitation");

#[derive(Deserialize)]
struct Colleague {
    username: String,
}

/// Answers with the secret, which an application sends by mail.
#[authenticated]
async fn invite(
    auth: Data<Auth>,
    user: lucia::User<Profile>,
    form: Form<Colleague>,
) -> lucia::Result<String> {
    let invitation = Invitation {
        username: form.username.clone(),
        invited_by: user.username.clone(),
    };
    let secret = auth.create_token(INVITATION, &invitation).user(&user.id);
    Ok(secret.await?.expose().to_owned())
}

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[auth_request]
async fn page(auth: Data<Auth>, link: Query<Link>) -> lucia::Result<Response> {
    let invitation = auth.check_token(INVITATION, &link.token).await?.data;
    let headers = [("referrer-policy", "no-referrer")];
    let text = format!("{} invites {}", invitation.invited_by, invitation.username);
    Ok(answer(200, &headers, &text))
}

#[derive(Deserialize)]
struct Acceptance {
    token: String,
    password: String,
}

#[auth_request]
async fn accept(auth: Data<Auth>, form: Form<Acceptance>) -> lucia::Result<Response> {
    auth_request.check_origin()?;
    auth.check_new_password(&form.password).await?;
    let username = auth.use_token(INVITATION, &form.token).await?.data.username;
    let new_user = NewUser::with_password(("username", &username), &form.password);
    let profile = Profile {
        username: username.clone(),
    };
    auth_request.sign_up(new_user.attributes(&profile)).await?;
    Ok(answer(303, &[("location", "/me")], ""))
}

/// A site, and the secret of a link by which ada invites bob.
async fn invited(stage: &Stage) -> (Site, String) {
    let routes = front_page()
        .post("/invite", invite)
        .get("/invitation", page)
        .post("/invitation", accept);
    let site = serve(stage.auth().await, routes).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    let invited = browser.post("/invite", &[("username", "bob")]).await;
    assert_eq!(invited.status, 200, "{invited:?}");
    (site, invited.body)
}

async fn r60_opening_a_link_uses_nothing_and_posting_its_form_does(stage: Stage) {
    let (site, secret) = invited(&stage).await;
    let (scanner, bob) = (site.browser(), site.browser());
    let path = format!("/invitation?token={secret}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        scanner.send(scanner.request(method, &path)).await;
        assert_eq!(stage.count("one_time_token").await, 1);
    }
    let opened = bob.get(&path).await;
    assert_eq!((opened.status, &*opened.body), (200, "ada invites bob"));
    assert_eq!(opened.header("referrer-policy"), Some("no-referrer"));

    // A password that is refused, and a form of another site, leave the link as it is.
    let weak = [("token", &*secret), ("password", "short")];
    assert_eq!(bob.post("/invitation", &weak).await.status, 400);
    let form = [("token", &*secret), ("password", PASSWORD)];
    let foreign = bob.bare(Method::POST, "/invitation").form(&form);
    let foreign = foreign.header("origin", "https://evil.example");
    assert_eq!(bob.send(foreign).await.status, 403);
    assert_eq!(stage.count("one_time_token").await, 1);

    assert_eq!(bob.post("/invitation", &form).await.status, 303);
    assert_eq!(bob.get("/me").await.body, "Hello, bob!");
    assert_eq!(bob.get(&path).await.status, 400);
}

async fn r58_a_link_that_was_used_or_is_wrong_signs_nobody_up(stage: Stage) {
    let (site, secret) = invited(&stage).await;
    let forms: Vec<_> = (0..10)
        .map(|_| [("token", &*secret), ("password", PASSWORD)])
        .collect();
    let browsers: Vec<_> = forms.iter().map(|_| site.browser()).collect();
    let posted = browsers.iter().zip(&forms);
    let posted = posted.map(|(browser, form)| browser.post("/invitation", form));
    let replies = futures_util::future::join_all(posted).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[303; 1].as_slice(), &[400; 9]].concat());
    assert_eq!(stage.count("auth_user").await, 2);
    let told = "This link or code is wrong, used or expired. Ask for another one.";
    for wrong in [&secret[..], "", &secret[1..], &"a".repeat(40), "\0"] {
        let form = [("token", wrong), ("password", PASSWORD)];
        let reply = site.browser().post("/invitation", &form).await;
        assert_eq!((reply.status, &*reply.body), (400, told), "{reply:?}");
        assert_eq!(reply.set_cookies(), Vec::<&str>::new());
    }
}
