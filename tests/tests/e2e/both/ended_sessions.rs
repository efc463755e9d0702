//! What a request writes of the keys of its user is written only while its session is there: an attacker's
//! request that is under way when the owner gets the account leaves nothing behind.

use std::sync::Mutex;
use std::time::Duration;

use lucia::{Auth, Error, NewKey, NewUser, Session};
use reqwest::Method;
use serde::Deserialize;

use super::change_email::TOLD;
use super::framework::{Form, Response, answer, auth_request, authenticated, front_page, serve};
use crate::support::{
    Browser, PASSWORD, Profile, Reply, Site, Stage, on_each_store, request_of, sign_up,
};

on_each_store![
    r62_r63_an_address_does_not_change_for_a_session_that_has_ended,
    r63_a_password_is_not_set_by_a_session_that_has_ended,
    r63_a_key_is_not_added_by_a_session_that_has_ended,
    r63_a_key_is_not_deleted_by_a_session_that_has_ended,
    r63_a_key_is_not_verified_by_a_session_that_has_ended,
    keys_are_added_deleted_and_get_a_password_after_a_recent_sign_in,
    a_key_of_the_sender_is_deleted_unless_it_is_their_last,
    a_password_is_set_for_a_key_of_the_sender_that_has_none,
    r26_another_site_adds_and_deletes_no_key_and_sets_no_password,
];

const ADDRESS: &str = "ada@example.com";
const OTHER: &str = "mallory@example.com";
const THIEVES: &str = "thief@example.net";
const STUFFED: &str = "stuffed horse battery";
const NEW: &str = "another horse battery";

const WRITE: &str = "write_key";

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[authenticated]
async fn ask() -> lucia::Result<String> {
    let keys = (("email", ADDRESS), ("email", THIEVES));
    let created = auth_request.create_email_change(keys.0, keys.1).await?;
    Ok(created.map_or_else(String::new, |link| link.token.expose().to_owned()))
}

#[authenticated]
async fn change(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.change_email(&form.token).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn set_password(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request
        .set_password(("email", &form.token), STUFFED)
        .await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn add_key(Form(form): Form<Link>) -> lucia::Result<Response> {
    let key = NewKey::without_password(("github", &form.token));
    auth_request.create_key(key).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn delete_key(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.delete_key(("email", &form.token)).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn verify(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.verify_email(&form.token).await?;
    Ok(answer(204, &[], ""))
}

/// What ends the session, in another process.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Claim,
    Reset,
    Everywhere,
    One,
}

const ENDINGS: [Ending; 4] = [
    Ending::Claim,
    Ending::Reset,
    Ending::Everywhere,
    Ending::One,
];

/// A site where a person has signed up with Ada's address, and has other keys.
struct Scene {
    stage: Stage,
    site: Site,
    /// The same application in another process.
    elsewhere: Site,
}

impl Scene {
    async fn on(stage: Stage) -> Self {
        let routes = || {
            front_page()
                .post("/ask", ask)
                .post("/change", change)
                .post("/set-password", set_password)
                .post("/add-key", add_key)
                .post("/delete-key", delete_key)
                .post("/verify", verify)
        };
        let site = serve(stage.auth().await, routes()).await;
        let auth = Auth::builder(stage.store().await).clock(stage.clock.reader());
        let elsewhere = serve(auth.build().unwrap(), routes()).await;
        Self {
            stage,
            site,
            elsewhere,
        }
    }

    async fn attacker(&self) -> Session {
        let auth = &self.site.auth;
        let profile = Profile {
            username: "ada".to_owned(),
        };
        let user = NewUser::with_password(("email", ADDRESS), PASSWORD).attributes(&profile);
        let user = auth.create_user(user).await.unwrap();
        let nickname = NewKey::with_password(("username", "mallory"), PASSWORD);
        let other = NewKey::with_password(("email", OTHER), PASSWORD);
        for key in [nickname, other] {
            auth.create_key(&user.id, key).await.unwrap();
        }
        let key = auth.verify_password(("email", ADDRESS), PASSWORD).await;
        auth.create_session(&key.unwrap()).await.unwrap()
    }

    async fn end(&self, ending: Ending, session: &Session) {
        let auth = &self.elsewhere.auth;
        let user_id = &session.user_id;
        match ending {
            Ending::Claim => {
                let request = request_of(auth, session);
                let link = request.create_email_verification(("email", ADDRESS));
                let link = link.await.unwrap().unwrap();
                let owner = self.elsewhere.browser();
                let reply = owner
                    .post("/verify", &[("token", link.token.expose())])
                    .await;
                assert_eq!(reply.status, 204, "{reply:?}");
                assert_eq!(owner.get("/me").await.status, 200);
            }
            Ending::Reset => {
                auth.reset_password(("email", ADDRESS), NEW).await.unwrap();
            }
            Ending::Everywhere => auth.invalidate_user_sessions(user_id).await.unwrap(),
            Ending::One => auth.invalidate_session(&session.id).await.unwrap(),
        }
    }

    /// Posts, and ends the session when the request is about to write.
    async fn overtaken(
        &self,
        session: &Session,
        (path, token): (&str, &str),
        ending: Ending,
    ) -> Reply {
        let browser = self.site.browser_of(session);
        let form = [("token", token)];
        let probe = &self.stage.probe;
        probe.halt(WRITE);
        let ending = async {
            probe.arrived(WRITE).await;
            self.end(ending, session).await;
            probe.release(WRITE);
        };
        tokio::join!(browser.post(path, &form), ending).0
    }

    async fn each(
        stage: Stage,
        request: impl AsyncFn(&Self, &Session) -> (&'static str, String),
        check: impl AsyncFn(&Self, Ending),
    ) {
        let scene = Self::on(stage).await;
        for ending in ENDINGS {
            let session = scene.attacker().await;
            let (path, token) = request(&scene, &session).await;
            let reply = scene.overtaken(&session, (path, &token), ending).await;
            // These end the links of the user as well.
            let has_ended = matches!(ending, Ending::Claim | Ending::Reset);
            let expected = match has_ended && path == "/verify" {
                true => (400, TOLD),
                false => (401, "Not signed in."),
            };
            assert_eq!((reply.status, &*reply.body), expected, "{ending:?}");
            check(&scene, ending).await;
            scene.site.auth.delete_user(&session.user_id).await.unwrap();
        }
        // It does its work where nothing overtakes it.
        let session = scene.attacker().await;
        let (path, token) = request(&scene, &session).await;
        let browser = scene.site.browser_of(&session);
        let reply = browser.post(path, &[("token", &token)]).await;
        assert_eq!(reply.status, 204, "{reply:?}");
    }
}

async fn r62_r63_an_address_does_not_change_for_a_session_that_has_ended(stage: Stage) {
    let link = async |scene: &Scene, session: &Session| {
        let asked = scene.site.browser_of(session).post("/ask", &[]).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        ("/change", asked.body)
    };
    let check = async |scene: &Scene, ending: Ending| {
        let key = scene.site.auth.key(("email", THIEVES)).await;
        assert_eq!(key.unwrap(), None, "{ending:?}");
    };
    Scene::each(stage, link, check).await;
}

async fn r63_a_password_is_not_set_by_a_session_that_has_ended(stage: Stage) {
    let request = async |scene: &Scene, _: &Session| {
        let key = ("email", ADDRESS);
        scene.site.auth.remove_key_password(key).await.unwrap();
        ("/set-password", ADDRESS.to_owned())
    };
    let check = async |scene: &Scene, ending: Ending| {
        let auth = &scene.site.auth;
        let opened = auth.verify_password(("email", ADDRESS), STUFFED).await;
        assert!(
            matches!(opened, Err(Error::InvalidCredentials)),
            "{ending:?} {opened:?}"
        );
    };
    Scene::each(stage, request, check).await;
}

async fn r63_a_key_is_not_added_by_a_session_that_has_ended(stage: Stage) {
    let request = async |_: &Scene, _: &Session| ("/add-key", "666".to_owned());
    let check = async |scene: &Scene, ending: Ending| {
        let key = scene.site.auth.key(("github", "666")).await;
        assert_eq!(key.unwrap(), None, "{ending:?}");
    };
    Scene::each(stage, request, check).await;
}

async fn r63_a_key_is_not_deleted_by_a_session_that_has_ended(stage: Stage) {
    let request = async |_: &Scene, _: &Session| ("/delete-key", OTHER.to_owned());
    let check = async |scene: &Scene, ending: Ending| {
        let key = scene.site.auth.key(("email", OTHER)).await;
        assert!(key.unwrap().is_some(), "{ending:?}");
    };
    Scene::each(stage, request, check).await;
}

async fn r63_a_key_is_not_verified_by_a_session_that_has_ended(stage: Stage) {
    let last = Mutex::new(String::new());
    let request = async |scene: &Scene, session: &Session| {
        let auth = &scene.site.auth;
        let request = request_of(auth, session);
        let link = request.create_email_verification(("email", OTHER));
        let link = link.await.unwrap().unwrap();
        let token = link.token.expose().to_owned();
        *last.lock().unwrap() = token.clone();
        ("/verify", token)
    };
    let check = async |scene: &Scene, ending: Ending| {
        let auth = &scene.site.auth;
        let key = auth.key(("email", OTHER)).await;
        assert_eq!(key.unwrap().unwrap().verified_at, None, "{ending:?}");
        // The link still works, unless it has ended with the rest.
        if matches!(ending, Ending::One | Ending::Everywhere) {
            let token = last.lock().unwrap().clone();
            auth.check_email_verification(&token).await.unwrap();
        }
    };
    Scene::each(stage, request, check).await;
}

async fn keys_are_added_deleted_and_get_a_password_after_a_recent_sign_in(stage: Stage) {
    let scene = Scene::on(stage).await;
    let session = scene.attacker().await;
    let auth = &scene.site.auth;
    auth.remove_key_password(("email", ADDRESS)).await.unwrap();
    let requests = [
        ("/add-key", "1815"),
        ("/set-password", ADDRESS),
        ("/delete-key", OTHER),
    ];
    let post = async |browser: &Browser, path, token| {
        let reply = browser.post(path, &[("token", token)]).await;
        (reply.status, reply.body)
    };
    scene.stage.clock.advance(Duration::from_secs(10 * 60 + 1));
    for (path, token) in requests {
        let (status, _) = post(&scene.site.browser(), path, token).await;
        assert_eq!(status, 401, "{path}");
        let refused = post(&scene.site.browser_of(&session), path, token).await;
        assert_eq!(refused, (401, "Sign in again.".to_owned()), "{path}");
    }
    assert_eq!(auth.key(("github", "1815")).await.unwrap(), None);
    assert!(auth.key(("email", OTHER)).await.unwrap().is_some());
    let session = auth.create_session(&session.user_id).await.unwrap();
    for (path, token) in requests {
        let (status, _) = post(&scene.site.browser_of(&session), path, token).await;
        assert_eq!(status, 204, "{path}");
    }
    auth.trusted_key(("github", "1815")).await.unwrap();
    auth.verify_password(("email", ADDRESS), STUFFED)
        .await
        .unwrap();
    assert_eq!(auth.key(("email", OTHER)).await.unwrap(), None);
    // The session goes on.
    assert_eq!(scene.site.browser_of(&session).get("/me").await.status, 200);
    let taken = post(&scene.site.browser_of(&session), "/add-key", "1815").await;
    assert_eq!(taken.0, 409);
}

async fn a_key_of_the_sender_is_deleted_unless_it_is_their_last(stage: Stage) {
    const BOBS: &str = "bob@example.com";

    let scene = Scene::on(stage).await;
    let session = scene.attacker().await;
    let auth = &scene.site.auth;
    let bob = sign_up(auth, "bob").await;
    let bobs = NewKey::without_password(("email", BOBS));
    auth.create_key(&bob.user_id, bobs).await.unwrap();
    auth.delete_key(("username", "mallory")).await.unwrap();
    let browser = scene.site.browser_of(&session);
    for (address, status) in [
        (BOBS, 404),
        ("unknown@example.com", 404),
        ("", 404),
        (OTHER, 204),
        (OTHER, 404),
        (ADDRESS, 409),
    ] {
        let reply = browser.post("/delete-key", &[("token", address)]).await;
        assert_eq!(reply.status, status, "{address} {reply:?}");
    }
    let keys = auth.user_keys(&session.user_id).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert!(auth.key(("email", BOBS)).await.unwrap().is_some());

    // It becomes another user's meanwhile.
    let key = || NewKey::without_password(("email", OTHER));
    auth.create_key(&session.user_id, key()).await.unwrap();
    let probe = &scene.stage.probe;
    probe.halt(WRITE);
    let taking = async {
        probe.arrived(WRITE).await;
        let elsewhere = &scene.elsewhere.auth;
        elsewhere.delete_key(("email", OTHER)).await.unwrap();
        elsewhere.create_key(&bob.user_id, key()).await.unwrap();
        probe.release(WRITE);
    };
    let form = [("token", OTHER)];
    let (reply, ()) = tokio::join!(browser.post("/delete-key", &form), taking);
    assert_eq!(reply.status, 404, "{reply:?}");
    let key = auth.key(("email", OTHER)).await.unwrap();
    assert_eq!(key.unwrap().user_id, bob.user_id);
}

async fn a_password_is_set_for_a_key_of_the_sender_that_has_none(stage: Stage) {
    let scene = Scene::on(stage).await;
    let session = scene.attacker().await;
    let auth = &scene.site.auth;
    let bob = sign_up(auth, "bob").await;
    let bobs = NewKey::without_password(("email", "bob@example.com"));
    auth.create_key(&bob.user_id, bobs).await.unwrap();
    let browser = scene.site.browser_of(&session);
    for (address, status) in [
        (ADDRESS, 401),
        ("bob@example.com", 404),
        ("unknown@example.com", 404),
        ("", 404),
    ] {
        let reply = browser.post("/set-password", &[("token", address)]).await;
        assert_eq!(reply.status, status, "{address} {reply:?}");
    }
    auth.verify_password(("email", ADDRESS), PASSWORD)
        .await
        .unwrap();
    let key = auth.key(("email", "bob@example.com")).await.unwrap();
    assert!(!key.unwrap().has_password);

    // Another request sets one meanwhile.
    auth.remove_key_password(("email", ADDRESS)).await.unwrap();
    let probe = &scene.stage.probe;
    probe.halt(WRITE);
    let setting = async {
        probe.arrived(WRITE).await;
        let elsewhere = &scene.elsewhere.auth;
        let set = elsewhere.update_key_password(("email", ADDRESS), NEW);
        set.await.unwrap();
        probe.release(WRITE);
    };
    let form = [("token", ADDRESS)];
    let (reply, ()) = tokio::join!(browser.post("/set-password", &form), setting);
    assert_eq!(reply.status, 401, "{reply:?}");
    auth.verify_password(("email", ADDRESS), NEW).await.unwrap();
}

async fn r26_another_site_adds_and_deletes_no_key_and_sets_no_password(stage: Stage) {
    let scene = Scene::on(stage).await;
    let session = scene.attacker().await;
    let auth = &scene.site.auth;
    auth.remove_key_password(("email", ADDRESS)).await.unwrap();
    let browser = scene.site.browser_of(&session);
    for (path, token) in [
        ("/add-key", "1815"),
        ("/set-password", ADDRESS),
        ("/delete-key", OTHER),
    ] {
        let request = browser.bare(Method::POST, path);
        let request = request.header("origin", "https://evil.example");
        let reply = browser.send(request.form(&[("token", token)])).await;
        assert_eq!(reply.status, 403, "{path}");
    }
    assert_eq!(auth.key(("github", "1815")).await.unwrap(), None);
    assert!(auth.key(("email", OTHER)).await.unwrap().is_some());
    let key = auth.key(("email", ADDRESS)).await.unwrap();
    assert!(!key.unwrap().has_password);
}
