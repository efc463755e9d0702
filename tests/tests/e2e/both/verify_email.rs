//! An address is verified by a link, in the browser of its user or in another one.

use std::time::Duration;

use lucia::store::LastKey;
use lucia::{
    Auth, CodePurpose, Error, NewKey, NewUser, Password, Session, SignInCode, SignInLink,
    TokenPurpose, UserKey,
};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{Data, Form, Query, Response, answer, auth_request, front_page, serve};
use crate::support::{
    Browser, PASSWORD, Profile, Site, Stage, on_each_store, request_of, request_to, sign_up,
};

on_each_store![
    r60_r63_the_browser_of_the_user_verifies_and_nothing_else_changes,
    r63_nothing_that_was_stuffed_is_left_when_the_owner_verifies_by_a_link,
    r63_nothing_that_was_stuffed_is_left_when_the_owner_signs_in_by_a_link,
    r63_nothing_that_was_stuffed_is_left_when_the_owner_signs_in_by_a_code,
    r63_nothing_that_was_stuffed_is_left_when_the_owner_resets_the_password,
    r63_a_sign_in_that_is_under_way_leaves_no_session_beside_the_owner,
    r63_an_outage_ends_everything_and_verifies_or_does_nothing,
    r63_an_account_with_another_way_in_is_not_given_away,
    r63_a_reset_is_accepted_where_the_user_is_signed_in,
    r63_another_way_in_that_comes_meanwhile_keeps_the_account_and_the_link,
    r63_a_password_that_is_added_meanwhile_opens_nothing,
    a_link_verifies_its_key_of_its_user_for_a_day,
    a_key_can_be_verified_from_the_beginning,
    r26_another_site_verifies_nothing,
];

const ADDRESS: &str = "ada@example.com";
const NEW: &str = "another horse battery";
const LINK: TokenPurpose = TokenPurpose::new("link");
const CODE: CodePurpose = CodePurpose::new("code");

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[auth_request]
async fn page(auth: Data<Auth>, link: Query<Link>) -> lucia::Result<String> {
    let key = auth.check_email_verification(&link.token).await?;
    Ok(key.id.provider_user_id().to_owned())
}

#[auth_request]
async fn verify(Form(form): Form<Link>) -> lucia::Result<String> {
    let verified = auth_request.verify_email(&form.token).await?;
    assert!(verified.key.verified_at.is_some());
    Ok(match verified.new_session {
        Some(session) => {
            assert_eq!(auth_request.require().await?.id, session.id);
            "welcome".to_owned()
        }
        None => "verified".to_owned(),
    })
}

#[auth_request]
async fn sign_in(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.sign_in(SignInLink::new(&form.token)).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn ask_for_code() -> lucia::Result<String> {
    let created = auth_request.create_sign_in_code(("email", ADDRESS)).await?;
    Ok(created.expect("a code").code.expose().to_owned())
}

#[auth_request]
async fn sign_in_by_code(Form(form): Form<Link>) -> lucia::Result<Response> {
    let code = SignInCode::new(("email", ADDRESS), &form.token);
    auth_request.sign_in(code).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn sign_in_by_password() -> lucia::Result<Response> {
    let password = Password::new(("email", ADDRESS), PASSWORD);
    auth_request.sign_in(password).await?;
    Ok(answer(204, &[], ""))
}

/// As where an OAuth provider has said who it is.
#[auth_request]
async fn sign_in_by_trust(auth: Data<Auth>) -> lucia::Result<Response> {
    let key = auth.trusted_key(("email", ADDRESS)).await?;
    auth_request.sign_in(key).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn new_password(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request
        .set_password(("email", ADDRESS), &form.token)
        .await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn reset(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.reset_password(&form.token, NEW).await?;
    Ok(answer(204, &[], ""))
}

/// A site where somebody has signed up with Ada's address.
struct Scene {
    stage: Stage,
    site: Site,
    session: Session,
}

impl Scene {
    async fn on(stage: Stage) -> Self {
        let routes = front_page()
            .get("/verify", page)
            .post("/verify", verify)
            .post("/sign-in", sign_in)
            .post("/code/ask", ask_for_code)
            .post("/code", sign_in_by_code)
            .post("/password", sign_in_by_password)
            .post("/trusted", sign_in_by_trust)
            .post("/new-password", new_password)
            .post("/reset", reset);
        let site = serve(stage.auth().await, routes).await;
        let profile = Profile {
            username: "ada".to_owned(),
        };
        let user = NewUser::with_password(("email", ADDRESS), PASSWORD).attributes(&profile);
        let user = site.auth.create_user(user).await.unwrap();
        let session = site.auth.create_session(&user.id).await.unwrap();
        Self {
            stage,
            site,
            session,
        }
    }

    /// With all that can be there before the owner of the address comes.
    async fn stuffed(stage: Stage) -> Self {
        let scene = Self::on(stage).await;
        let (auth, user_id) = (&scene.site.auth, &scene.session.user_id);
        let nickname = NewKey::with_password(("username", "mallory"), PASSWORD);
        auth.create_key(user_id, nickname).await.unwrap();
        auth.create_session(user_id).await.unwrap();
        auth.create_token(LINK, &()).user(user_id).await.unwrap();
        let code = auth.create_code(CODE, user_id, &()).user(user_id);
        code.await.unwrap();
        scene.link().await;
        scene
    }

    async fn link(&self) -> String {
        let request = request_of(&self.site.auth, &self.session);
        let created = request.create_email_verification(("email", ADDRESS)).await;
        created.unwrap().unwrap().token.expose().to_owned()
    }

    async fn sign_in_link(&self) -> String {
        let request = request_to(&self.site.auth);
        let created = request.create_sign_in_link(("email", ADDRESS)).await;
        created.unwrap().unwrap().token.expose().to_owned()
    }

    async fn reset_link(&self) -> String {
        let request = request_to(&self.site.auth);
        let created = request.create_password_reset(("email", ADDRESS)).await;
        created.unwrap().unwrap().token.expose().to_owned()
    }

    /// The code that this browser has asked for.
    async fn code(&self, browser: &Browser) -> String {
        browser.post("/code/ask", &[]).await.body
    }

    async fn key(&self) -> UserKey {
        let key = self.site.auth.key(("email", ADDRESS)).await;
        key.unwrap().unwrap()
    }

    async fn tokens_of_user(&self) -> Option<String> {
        let sql = "SELECT count(*) FROM one_time_token WHERE user_id IS NOT NULL";
        self.stage.value(sql).await
    }

    /// The owner has the account, and nobody else.
    async fn assert_owned(&self, owner: &Browser, with_password: bool) {
        let auth = &self.site.auth;
        assert_eq!(owner.get("/me").await.body, "Hello, ada!");
        assert_eq!(self.stage.count("user_session").await, 1);
        let stranger = self.site.browser_of(&self.session);
        assert_eq!(stranger.get("/me").await.status, 401);
        for key in [("email", ADDRESS), ("username", "mallory")] {
            let opened = auth.verify_password(key, PASSWORD).await;
            assert!(
                matches!(opened, Err(Error::InvalidCredentials)),
                "{opened:?}"
            );
        }
        assert_eq!(self.tokens_of_user().await.as_deref(), Some("0"));
        let keys = auth.user_keys(&self.session.user_id).await.unwrap();
        let open: Vec<_> = keys.iter().map(|key| key.has_password).collect();
        assert_eq!(open, [with_password, false]);
        assert_eq!(self.key().await.verified_at, Some(self.stage.clock.now()));
    }
}

fn form(token: &str) -> [(&'static str, &str); 1] {
    [("token", token)]
}

async fn r60_r63_the_browser_of_the_user_verifies_and_nothing_else_changes(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let (auth, stage) = (&scene.site.auth, &scene.stage);
    assert_eq!(scene.key().await.verified_at, None);
    let token = scene.link().await;
    let dump = "SELECT id, hashed_password FROM user_key ORDER BY id";
    let (keys, tokens) = (stage.rows(dump).await, stage.count("one_time_token").await);
    let browser = scene.site.browser_of(&scene.session);
    let path = format!("/verify?token={token}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let reply = browser.send(browser.request(method.clone(), &path)).await;
        if method == Method::GET {
            assert_eq!((reply.status, &*reply.body), (200, ADDRESS));
        }
    }
    assert_eq!(stage.count("one_time_token").await, tokens);
    assert_eq!(scene.key().await.verified_at, None);

    stage.clock.advance(Duration::from_secs(60));
    let reply = browser.post("/verify", &form(&token)).await;
    assert_eq!((reply.status, &*reply.body), (200, "verified"));
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(scene.key().await.verified_at, Some(stage.clock.now()));
    assert_eq!(stage.rows(dump).await, keys);
    assert_eq!(stage.count("one_time_token").await, tokens - 1);
    assert_eq!(stage.count("user_session").await, 2);
    assert_eq!(browser.get("/me").await.status, 200);
    auth.verify_password(("email", ADDRESS), PASSWORD)
        .await
        .unwrap();
    for reply in [
        browser.get(&path).await,
        browser.post("/verify", &form(&token)).await,
    ] {
        assert_eq!(reply.status, 400);
    }
    // Nothing is left to send.
    let request = request_of(auth, &scene.session);
    let another = request.create_email_verification(("email", ADDRESS)).await;
    assert!(another.unwrap().is_none());
    let mallory = auth.key(("username", "mallory")).await.unwrap().unwrap();
    assert_eq!(mallory.verified_at, None);
}

async fn r63_nothing_that_was_stuffed_is_left_when_the_owner_verifies_by_a_link(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let (first, second) = (scene.link().await, scene.link().await);
    // The owner of the mailbox is signed in as somebody else.
    let bob = sign_up(&scene.site.auth, "bob").await;
    let owner = scene.site.browser_of(&bob);
    let reply = owner.post("/verify", &form(&first)).await;
    assert_eq!((reply.status, &*reply.body), (200, "welcome"));
    scene.assert_owned(&owner, false).await;
    assert_eq!(owner.post("/verify", &form(&second)).await.status, 400);
    // A password of their own, as the page behind it sets it.
    let auth = &scene.site.auth;
    let set = owner.post("/new-password", &[("token", NEW)]).await;
    assert_eq!(set.status, 204, "{set:?}");
    assert!(scene.key().await.verified_at.is_some());
    auth.verify_password(("email", ADDRESS), NEW).await.unwrap();
}

async fn r63_nothing_that_was_stuffed_is_left_when_the_owner_signs_in_by_a_link(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let token = scene.sign_in_link().await;
    let owner = scene.site.browser();
    let reply = owner.post("/sign-in", &form(&token)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    scene.assert_owned(&owner, false).await;
    // From now on a link ends nothing.
    let again = scene.sign_in_link().await;
    let phone = scene.site.browser();
    let reply = phone.post("/sign-in", &form(&again)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(owner.get("/me").await.status, 200);
}

async fn r63_nothing_that_was_stuffed_is_left_when_the_owner_signs_in_by_a_code(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let owner = scene.site.browser();
    let code = scene.code(&owner).await;
    let reply = owner.post("/code", &form(&code)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    scene.assert_owned(&owner, false).await;
}

async fn r63_nothing_that_was_stuffed_is_left_when_the_owner_resets_the_password(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let auth = &scene.site.auth;
    let token = scene.reset_link().await;
    let owner = scene.site.browser();
    let reply = owner.post("/reset", &form(&token)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    scene.assert_owned(&owner, true).await;
    auth.verify_password(("email", ADDRESS), NEW).await.unwrap();
}

async fn r63_a_sign_in_that_is_under_way_leaves_no_session_beside_the_owner(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let (auth, probe) = (&scene.site.auth, &scene.stage.probe);
    let key = auth.key(("email", ADDRESS)).await.unwrap().unwrap();
    let mut owner = scene.site.browser();
    for path in ["/trusted", "/password"] {
        let sql = "UPDATE user_key SET verified_at = NULL";
        scene.stage.execute(sql).await;
        match path {
            "/trusted" => drop(auth.remove_key_password(&key.id).await.unwrap()),
            _ => {
                for key in [&key.id, &("username", "mallory").into()] {
                    auth.update_key_password(key, PASSWORD).await.unwrap();
                }
            }
        }
        let token = scene.sign_in_link().await;
        let stranger = scene.site.browser();
        owner = scene.site.browser();
        probe.halt("insert_session_by_key");
        let meeting = async {
            probe.arrived("insert_session_by_key").await;
            // The owner's session waits there as well, when all has ended.
            let token = form(&token);
            let signing_in = owner.post("/sign-in", &token);
            let releasing = async {
                probe.arrived("insert_session_by_key").await;
                probe.release("insert_session_by_key");
            };
            tokio::join!(signing_in, releasing).0
        };
        let (stuffed, signed_in) = tokio::join!(stranger.post(path, &[]), meeting);
        assert_eq!(signed_in.status, 204, "{path}: {signed_in:?}");
        assert_eq!(stuffed.status, 401, "{path}: {stuffed:?}");
        assert_eq!(owner.get("/me").await.body, "Hello, ada!", "{path}");
        assert_eq!(scene.stage.count("user_session").await, 1, "{path}");
    }
    scene.assert_owned(&owner, false).await;
}

async fn r63_an_outage_ends_everything_and_verifies_or_does_nothing(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let probe = &scene.stage.probe;
    for step in ["token", "key", "claim_key"] {
        let token = scene.link().await;
        probe.halt(step);
        let owner = scene.site.browser();
        let token = form(&token);
        let outage = async {
            probe.arrived(step).await;
            probe.set_down(true);
            probe.release(step);
        };
        let (reply, ()) = tokio::join!(owner.post("/verify", &token), outage);
        probe.set_down(false);
        assert_eq!(reply.status, 503, "{step}");
        assert!(reply.set_cookies().is_empty(), "{step}");
        assert_eq!(scene.key().await.verified_at, None, "{step}");
        let stranger = scene.site.browser_of(&scene.session);
        assert_eq!(stranger.get("/me").await.status, 200, "{step}");
        let link = scene.site.auth.check_email_verification(token[0].1);
        link.await.unwrap();
    }
    // One step of the store does all of it. What fails behind it takes nothing back.
    let token = scene.link().await;
    let (owner, token) = (scene.site.browser(), form(&token));
    probe.halt("insert_session_by_key");
    let outage = async {
        probe.arrived("insert_session_by_key").await;
        probe.set_down(true);
        probe.release("insert_session_by_key");
    };
    let (reply, ()) = tokio::join!(owner.post("/verify", &token), outage);
    probe.set_down(false);
    assert_eq!(reply.status, 503);
    let token = scene.sign_in_link().await;
    let reply = owner.post("/sign-in", &form(&token)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    scene.assert_owned(&owner, false).await;
}

async fn r63_an_account_with_another_way_in_is_not_given_away(stage: Stage) {
    let scene = Scene::on(stage).await;
    let (auth, user_id) = (&scene.site.auth, &scene.session.user_id);
    let others = [
        (NewKey::without_password(("github", "1815")), false),
        (
            NewKey::with_password(("email", "a@example.com"), PASSWORD),
            true,
        ),
    ];
    let elsewhere = scene.site.browser();
    for (other, verified) in others {
        let other = auth.create_key(user_id, other).await.unwrap();
        let other = format!("{}:{}", other.id.provider_id(), other.id.provider_user_id());
        if verified {
            scene.stage.verify_key(&other).await;
        }
        let link = scene.link().await;
        let sign_in = scene.sign_in_link().await;
        for (path, token) in [
            ("/reset", &scene.reset_link().await),
            ("/verify", &link),
            ("/sign-in", &sign_in),
            ("/code", &scene.code(&elsewhere).await),
        ] {
            let reply = elsewhere.post(path, &form(token)).await;
            assert_eq!(
                (reply.status, &*reply.body),
                (401, "Not signed in."),
                "{path}"
            );
        }
        assert_eq!(scene.key().await.verified_at, None);
        assert!(scene.key().await.has_password);
        let at_home = scene.site.browser_of(&scene.session);
        assert_eq!(at_home.get("/me").await.status, 200);
        // The link was not used, and does its work where they are signed in.
        auth.check_sign_in_link(&sign_in).await.unwrap();
        auth.check_email_verification(&link).await.unwrap();
        let store = scene.stage.store().await;
        store.delete_key(&other, LastKey::Keep).await.unwrap();
    }
    let github = NewKey::without_password(("github", "1815"));
    auth.create_key(user_id, github).await.unwrap();
    let at_home = scene.site.browser_of(&scene.session);
    let reply = at_home.post("/verify", &form(&scene.link().await)).await;
    assert_eq!((reply.status, &*reply.body), (200, "verified"));
    auth.trusted_key(("github", "1815")).await.unwrap();
    assert!(scene.key().await.has_password);
}

/// Who has signed in by the other key can reset the password then, and keeps that key.
async fn r63_a_reset_is_accepted_where_the_user_is_signed_in(stage: Stage) {
    let scene = Scene::on(stage).await;
    let (auth, user_id) = (&scene.site.auth, &scene.session.user_id);
    let github = NewKey::without_password(("github", "1815"));
    auth.create_key(user_id, github).await.unwrap();
    let link = scene.reset_link().await;
    let refused = scene.site.browser().post("/reset", &form(&link)).await;
    assert_eq!(refused.status, 401);

    let key = auth.trusted_key(("github", "1815")).await.unwrap();
    let session = auth.create_session(&key).await.unwrap();
    let at_home = scene.site.browser_of(&session);
    let other_link = scene.sign_in_link().await;
    assert_eq!(at_home.post("/reset", &form(&link)).await.status, 204);
    assert_eq!(at_home.get("/me").await.status, 200);
    auth.trusted_key(("github", "1815")).await.unwrap();
    let key = scene.key().await;
    assert!(key.has_password && key.verified_at.is_some());
    // What was open before is not, as after any reset.
    let before = scene.site.browser_of(&session);
    assert_eq!(before.get("/me").await.status, 401);
    let opened = auth.check_sign_in_link(&other_link).await;
    assert!(
        matches!(opened, Err(Error::InvalidOneTimeToken)),
        "{opened:?}"
    );
}

async fn r63_another_way_in_that_comes_meanwhile_keeps_the_account_and_the_link(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let (auth, probe) = (&scene.site.auth, &scene.stage.probe);
    let dump = "SELECT id, user_id, hashed_password, verified_at FROM user_key ORDER BY id";
    for (is_verified, path) in [
        (false, "/verify"),
        (true, "/verify"),
        (false, "/sign-in"),
        (true, "/reset"),
        (false, "/code"),
    ] {
        let elsewhere = scene.site.browser();
        let token = match path {
            "/verify" => scene.link().await,
            "/sign-in" => scene.sign_in_link().await,
            "/reset" => scene.reset_link().await,
            _ => scene.code(&elsewhere).await,
        };
        probe.halt("claim_key");
        // The user links a provider, or verifies an address of theirs.
        let meanwhile = async {
            probe.arrived("claim_key").await;
            match is_verified {
                true => scene.stage.verify_key("username:mallory").await,
                false => {
                    let github = NewKey::without_password(("github", "1815"));
                    let added = auth.create_key(&scene.session.user_id, github);
                    added.await.unwrap();
                }
            }
            let keys = scene.stage.rows(dump).await;
            probe.release("claim_key");
            keys
        };
        let form = form(&token);
        let (reply, keys) = tokio::join!(elsewhere.post(path, &form), meanwhile);
        assert_eq!(
            (reply.status, &*reply.body),
            (401, "Not signed in."),
            "{path}"
        );
        assert!(reply.set_cookies().is_empty(), "{path}");
        assert_eq!(scene.stage.rows(dump).await, keys, "{path}");
        let at_home = scene.site.browser_of(&scene.session);
        assert_eq!(at_home.get("/me").await.status, 200, "{path}");
        match path {
            "/verify" => drop(auth.check_email_verification(&token).await.unwrap()),
            "/sign-in" => drop(auth.check_sign_in_link(&token).await.unwrap()),
            "/reset" => drop(auth.check_password_reset(&token).await.unwrap()),
            _ => {}
        }
        let sql = "DELETE FROM user_key WHERE id = 'github:1815'; \
                   UPDATE user_key SET verified_at = NULL";
        scene.stage.execute(sql).await;
    }
    // Where the user is signed in, the link does its work.
    let token = scene.link().await;
    scene.stage.verify_key("username:mallory").await;
    let at_home = scene.site.browser_of(&scene.session);
    let reply = at_home.post("/verify", &form(&token)).await;
    assert_eq!((reply.status, &*reply.body), (200, "verified"));
}

async fn r63_a_password_that_is_added_meanwhile_opens_nothing(stage: Stage) {
    let scene = Scene::stuffed(stage).await;
    let probe = &scene.stage.probe;
    let token = scene.link().await;
    let mallory = scene.site.auth.delete_key(("username", "mallory"));
    mallory.await.unwrap();
    probe.halt("claim_key");
    let owner = scene.site.browser();
    let adding = async {
        probe.arrived("claim_key").await;
        let nickname = NewKey::with_password(("username", "mallory"), PASSWORD);
        let added = scene.site.auth.create_key(&scene.session.user_id, nickname);
        added.await.unwrap();
        probe.release("claim_key");
    };
    let token = form(&token);
    probe.calls();
    let (reply, ()) = tokio::join!(owner.post("/verify", &token), adding);
    assert_eq!((reply.status, &*reply.body), (200, "welcome"));
    // One step of the store does all of it, and uses the link.
    let calls = probe.calls();
    let claim = calls.iter().position(|call| *call == "claim_key");
    assert_eq!(
        calls[claim.unwrap()..],
        ["claim_key", "insert_key", "insert_session_by_key"]
    );
    scene.assert_owned(&owner, false).await;
}

async fn a_link_verifies_its_key_of_its_user_for_a_day(stage: Stage) {
    let scene = Scene::on(stage).await;
    let (auth, user_id) = (&scene.site.auth, &scene.session.user_id);
    let bob = sign_up(auth, "bob").await;
    for key in [("email", ADDRESS), ("email", "unknown"), ("email", "")] {
        let created = request_of(auth, &bob).create_email_verification(key).await;
        assert!(created.unwrap().is_none(), "{key:?}");
    }
    let anonymous = request_to(auth);
    let created = anonymous.create_email_verification(("email", ADDRESS));
    let refused = created.await;
    assert!(
        matches!(refused, Err(Error::Unauthenticated)),
        "{refused:?}"
    );
    let browser = scene.site.browser_of(&scene.session);
    let token = scene.link().await;
    let reset = scene.reset_link().await;
    for wrong in ["", "x", &reset] {
        let reply = browser.post("/verify", &form(wrong)).await;
        assert_eq!(reply.status, 400, "{wrong:?}");
    }
    scene
        .stage
        .clock
        .advance(Duration::from_secs(24 * 60 * 60 - 1));
    auth.check_email_verification(&token).await.unwrap();
    scene.stage.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.post("/verify", &form(&token)).await.status, 400);
    // The key has another user by now.
    let token = scene.link().await;
    let key = auth.delete_key(("email", ADDRESS)).even_if_last();
    key.await.unwrap();
    assert_eq!(browser.post("/verify", &form(&token)).await.status, 400);
    let again = NewKey::without_password(("email", ADDRESS));
    auth.create_key(&bob.user_id, again).await.unwrap();
    assert_eq!(browser.post("/verify", &form(&token)).await.status, 400);
    assert_eq!(scene.key().await.verified_at, None);
    auth.delete_user(user_id).await.unwrap();
    assert_eq!(browser.post("/verify", &form(&token)).await.status, 400);
}

async fn r26_another_site_verifies_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let token = scene.link().await;
    let browser = scene.site.browser_of(&scene.session);
    for origin in ["https://evil.example", "null"] {
        let request = browser
            .bare(Method::POST, "/verify")
            .header("origin", origin);
        let reply = browser.send(request.form(&form(&token))).await;
        assert_eq!(reply.status, 403);
    }
    assert_eq!(scene.key().await.verified_at, None);
    scene
        .site
        .auth
        .check_email_verification(&token)
        .await
        .unwrap();
}

async fn a_key_can_be_verified_from_the_beginning(stage: Stage) {
    let scene = Scene::on(stage).await;
    let (auth, clock) = (&scene.site.auth, &scene.stage.clock);
    let profile = Profile {
        username: "eve".to_owned(),
    };
    let key = NewKey::with_password(("email", "eve@example.com"), PASSWORD);
    let eve = NewUser::with_key(key.verified()).attributes(&profile);
    let eve = auth.create_user(eve).await.unwrap();
    let github = NewKey::without_password(("github", "1815")).verified();
    auth.create_key(&eve.id, github).await.unwrap();
    for key in auth.user_keys(&eve.id).await.unwrap() {
        assert_eq!(key.verified_at, Some(clock.now()), "{key:?}");
    }
    // So a link ends nothing.
    let request = request_to(auth);
    let link = request.create_sign_in_link(("email", "eve@example.com"));
    let link = link.await.unwrap().unwrap().token;
    let browser = scene.site.browser();
    let reply = browser.post("/sign-in", &form(link.expose())).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let opened = auth.verify_password(("email", "eve@example.com"), PASSWORD);
    assert!(opened.await.unwrap().verified_at.is_some());
}
