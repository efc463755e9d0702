//! New passwords, and the sessions that end with the old ones.

use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, post};
use futures_util::future::join_all;
use lucia::{Auth, Error, NewKey, Result, Session, authenticated};
use serde::Deserialize;

use crate::support::{
    PASSWORD, Reply, Site, Stage, actix, on_each_store, request_to, sign_up, verified,
};

on_each_store![
    r21_a_new_password_ends_all_other_sessions_and_rotates_this_one,
    r21_the_key_of_somebody_else_is_out_of_reach,
    r21_a_session_invalidated_meanwhile_changes_no_password,
    r21_a_key_that_is_not_any_more_as_it_was_verified_gets_no_password,
    r21_a_refused_password_ends_no_session,
    r21_a_store_that_fails_changes_nothing,
    r21_a_new_password_beside_sign_ins_ends_what_was_there_before,
    r21_a_renewal_of_another_session_brings_nothing_back,
    r21_a_renewal_of_this_session_does_not_undo_its_rotation,
    r21_a_rotation_of_another_session_does_not_outrun_it,
    r21_of_two_new_passwords_at_once_one_wins,
    r59_a_new_password_ends_the_open_links_and_codes_of_the_user,
    a_reset_password_ends_all_sessions,
    a_reset_of_what_cannot_be_reset_changes_nothing,
];

const NEW: &str = "another horse battery";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
struct Change {
    old: String,
    new: String,
}

#[post("/password")]
#[authenticated]
async fn change(
    auth: web::Data<Auth>,
    session: Session,
    form: web::Form<Change>,
) -> Result<HttpResponse> {
    let key = auth.verify_password(("username", "ada"), &form.old).await?;
    let session = auth.change_password(&session, &key, &form.new).await?;
    auth_request.set_session(Some(&session));
    Ok(HttpResponse::NoContent().finish())
}

fn routes(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
    config.service(change);
}

/// Ada here and elsewhere, and Bob.
struct Scene {
    stage: Stage,
    site: Site,
    here: Session,
    elsewhere: Session,
    bob: Session,
}

impl Scene {
    async fn on(stage: Stage) -> Self {
        let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
        let here = sign_up(&site.auth, "ada").await;
        let elsewhere = site.auth.create_session(&here.user_id).await.unwrap();
        let bob = sign_up(&site.auth, "bob").await;
        Self {
            stage,
            site,
            here,
            elsewhere,
            bob,
        }
    }

    async fn change(&self) -> Result<Session> {
        let auth = &self.site.auth;
        let key = verified(auth, "ada").await;
        auth.change_password(&self.here, &key, NEW).await
    }

    async fn is_alive(&self, session: &Session) -> bool {
        let found = self.site.auth.validate_session(session.token()).await;
        found.unwrap().is_some()
    }

    /// Which password of Ada's opens her key.
    async fn password(&self) -> &'static str {
        let mut opening = Vec::new();
        for password in [PASSWORD, NEW] {
            let key = self
                .site
                .auth
                .verify_password(("username", "ada"), password)
                .await;
            opening.extend(key.ok().map(|_| password));
        }
        assert_eq!(opening.len(), 1, "{opening:?}");
        opening[0]
    }

    /// Nobody has changed anything.
    async fn assert_unchanged(&self) {
        assert_eq!(self.password().await, PASSWORD);
        for session in [&self.here, &self.elsewhere, &self.bob] {
            assert!(self.is_alive(session).await);
        }
        assert_eq!(self.stage.count("user_session").await, 3);
    }

    /// The password is another, and of Ada's sessions only this one lives.
    async fn assert_changed(&self, kept: &Session) {
        assert_eq!(self.password().await, NEW);
        assert!(self.is_alive(kept).await);
        assert!(self.is_alive(&self.bob).await);
        for expired in [&self.here, &self.elsewhere] {
            assert!(!self.is_alive(expired).await);
        }
        let list = self.site.auth.user_sessions(&kept.user_id).await.unwrap();
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(list[0].id, kept.id);
    }
}

async fn r21_a_new_password_ends_all_other_sessions_and_rotates_this_one(stage: Stage) {
    let scene = Scene::on(stage).await;
    let Scene { stage, site, .. } = &scene;
    let browser = site.browser_of(&scene.here);
    stage.probe.calls();
    let reply: Reply = browser
        .post("/password", &[("old", PASSWORD), ("new", NEW)])
        .await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert!(!reply.set_cookie().contains(scene.here.token().expose()));
    let calls = stage.probe.calls();
    let steps = [
        "session_and_user",
        "key",
        "delete_user_tokens",
        "change_password",
    ];
    assert_eq!(calls, steps);

    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    for expired in [&scene.here, &scene.elsewhere] {
        let reply = site.browser_of(expired).get("/me").await;
        assert_eq!(reply.status, 401);
        assert!(reply.set_cookies().is_empty());
    }
    assert_eq!(site.browser_of(&scene.bob).get("/me").await.status, 200);
    for (password, status) in [(PASSWORD, 401), (NEW, 204)] {
        let form = [("username", "ada"), ("password", password)];
        assert_eq!(site.browser().post("/login", &form).await.status, status);
    }
    // The wrong old password changes nothing.
    let form = [("old", PASSWORD), ("new", "a third horse battery")];
    assert_eq!(browser.post("/password", &form).await.status, 401);
    assert_eq!(scene.password().await, NEW);
}

async fn r21_the_key_of_somebody_else_is_out_of_reach(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    let key = verified(auth, "ada").await;
    let changed = auth.change_password(&scene.bob, &key, NEW).await;
    let proven = auth.reauthenticate(&scene.bob, &key).await;
    for refused in [changed, proven] {
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    scene.assert_unchanged().await;
}

async fn r21_a_session_invalidated_meanwhile_changes_no_password(stage: Stage) {
    let scene = Scene::on(stage).await;
    let probe = &scene.stage.probe;
    probe.halt("change_password");
    let revoking = async {
        probe.arrived("change_password").await;
        let auth = &scene.site.auth;
        auth.invalidate_session(&scene.here.id).await.unwrap();
        probe.release("change_password");
    };
    let (changed, ()) = tokio::join!(scene.change(), revoking);
    assert!(
        matches!(changed, Err(Error::Unauthenticated)),
        "{changed:?}"
    );
    assert_eq!(scene.password().await, PASSWORD);
    assert!(!scene.is_alive(&scene.here).await);
    assert!(scene.is_alive(&scene.elsewhere).await);
    assert_eq!(scene.stage.count("user_session").await, 2);
}

async fn r21_a_key_that_is_not_any_more_as_it_was_verified_gets_no_password(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    let key = ("username", "ada");
    let old = verified(auth, "ada").await;
    let removed = auth.remove_key_password(key).await;
    removed.unwrap();
    let trusted = auth.trusted_key(key).await.unwrap();
    let is_refused = async |verified| {
        let changed = auth.change_password(&scene.here, verified, NEW).await;
        let is_refused = matches!(changed, Err(Error::InvalidCredentials));
        assert!(is_refused, "{changed:?}");
    };
    is_refused(&old).await;
    auth.update_key_password(key, PASSWORD).await.unwrap();
    // The same password has another hash.
    is_refused(&old).await;
    is_refused(&trusted).await;
    scene.assert_unchanged().await;
    auth.delete_key(key).even_if_last().await.unwrap();
    is_refused(&old).await;
    is_refused(&trusted).await;
    let new = NewKey::without_password(key);
    auth.create_key(&scene.here.user_id, new).await.unwrap();
    let changed = auth.change_password(&scene.here, &trusted, NEW).await;
    scene.assert_changed(&changed.unwrap()).await;
}

async fn r21_a_refused_password_ends_no_session(stage: Stage) {
    let scene = Scene::on(stage).await;
    for password in ["", "short", &"x".repeat(1024)] {
        let auth = &scene.site.auth;
        let key = verified(auth, "ada").await;
        let changed = auth.change_password(&scene.here, &key, password);
        assert!(matches!(changed.await, Err(Error::InvalidPassword(_))));
        let reset = auth.reset_password(("username", "ada"), password).await;
        assert!(matches!(reset, Err(Error::InvalidPassword(_))));
    }
    scene.assert_unchanged().await;
}

async fn r21_a_store_that_fails_changes_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let probe = &scene.stage.probe;
    probe.halt("change_password");
    let failing = async {
        probe.arrived("change_password").await;
        probe.set_down(true);
        probe.release("change_password");
    };
    let (changed, ()) = tokio::join!(scene.change(), failing);
    assert!(matches!(changed, Err(Error::Unavailable(_))), "{changed:?}");
    probe.set_down(false);
    scene.assert_unchanged().await;
}

async fn r21_a_new_password_beside_sign_ins_ends_what_was_there_before(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    let probe = &scene.stage.probe;
    // Both are ready at the same time, so that they meet in the database.
    probe.halt("change_password");
    probe.halt("insert_session");
    let sign_ins = (0..8).map(async |_| auth.create_session(&scene.here.user_id).await);
    let at_once = async {
        probe.arrived("change_password").await;
        probe.release("insert_session");
        probe.release("change_password");
    };
    let (changed, sign_ins, ()) = tokio::join!(scene.change(), join_all(sign_ins), at_once);
    let kept = changed.unwrap();
    assert!(scene.is_alive(&kept).await);
    for expired in [&scene.here, &scene.elsewhere] {
        assert!(!scene.is_alive(expired).await);
    }
    // Each new one came before it, and is expired, or after it, and lives.
    let mut alive = 1;
    for session in sign_ins {
        alive += usize::from(scene.is_alive(&session.unwrap()).await);
    }
    let list = auth.user_sessions(&kept.user_id).await.unwrap();
    assert_eq!(list.len(), alive);
    assert_eq!(scene.password().await, NEW);
}

/// The password is changed while `session` is renewed.
async fn beside_a_renewal(scene: &Scene, session: &Session) {
    let auth = &scene.site.auth;
    let probe = &scene.stage.probe;
    scene.stage.clock.advance(2 * DAY);
    probe.halt("renew_session");
    let browser = scene.site.browser_of(session);
    let changing = async {
        probe.arrived("renew_session").await;
        let changed = scene.change().await;
        probe.release("renew_session");
        changed.unwrap()
    };
    let (reply, kept) = tokio::join!(browser.get("/me"), changing);
    assert_eq!(reply.status, 401);
    assert!(!format!("{reply:?}").contains(session.token().expose()));
    let stored = auth.session(&kept.id).await.unwrap().unwrap();
    assert_eq!(stored.renewed_at, scene.stage.clock.now());
    scene.assert_changed(&kept).await;
}

async fn r21_a_renewal_of_another_session_brings_nothing_back(stage: Stage) {
    let scene = Scene::on(stage).await;
    beside_a_renewal(&scene, &scene.elsewhere).await;
}

async fn r21_a_renewal_of_this_session_does_not_undo_its_rotation(stage: Stage) {
    let scene = Scene::on(stage).await;
    beside_a_renewal(&scene, &scene.here).await;
}

async fn r21_a_rotation_of_another_session_does_not_outrun_it(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    let probe = &scene.stage.probe;
    probe.halt("change_password");
    probe.halt("rotate_session");
    let at_once = async {
        probe.arrived("rotate_session").await;
        probe.arrived("change_password").await;
        probe.release("rotate_session");
        probe.release("change_password");
    };
    let rotation = auth.rotate_session(&scene.elsewhere);
    let (changed, rotated, ()) = tokio::join!(scene.change(), rotation, at_once);
    if let Ok(rotated) = rotated {
        assert!(!scene.is_alive(&rotated).await);
    }
    scene.assert_changed(&changed.unwrap()).await;
}

async fn r21_of_two_new_passwords_at_once_one_wins(stage: Stage) {
    let scene = Scene::on(stage).await;
    let probe = &scene.stage.probe;
    probe.halt("change_password");
    let at_once = async {
        probe.arrived("change_password").await;
        probe.arrived("change_password").await;
        probe.release("change_password");
    };
    let (one, two, ()) = tokio::join!(scene.change(), scene.change(), at_once);
    let (kept, lost) = match (one, two) {
        (Ok(kept), Err(lost)) | (Err(lost), Ok(kept)) => (kept, lost),
        both => panic!("{both:?}"),
    };
    assert!(matches!(lost, Error::Unauthenticated), "{lost:?}");
    scene.assert_changed(&kept).await;
}

async fn a_reset_password_ends_all_sessions(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    let key = auth.reset_password(("username", "ada"), NEW).await.unwrap();
    assert!(key.has_password);
    assert_eq!(key.user_id, scene.here.user_id);
    for expired in [&scene.here, &scene.elsewhere] {
        assert_eq!(scene.site.browser_of(expired).get("/me").await.status, 401);
    }
    assert!(scene.is_alive(&scene.bob).await);
    assert_eq!(scene.password().await, NEW);
    assert_eq!(scene.stage.count("user_session").await, 1);

    // A key without a password gets one, once.
    let key = NewKey::without_password(("email", "ada@example.com"));
    auth.create_key(&scene.here.user_id, key).await.unwrap();
    let reset = auth.reset_password(("email", "ada@example.com"), NEW).await;
    assert!(reset.unwrap().has_password);
    let opened = auth
        .verify_password(("email", "ada@example.com"), NEW)
        .await;
    assert!(opened.is_ok());
}

async fn a_reset_of_what_cannot_be_reset_changes_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    for (provider, name) in [("username", "nobody"), ("", "ada"), ("user:name", "ada")] {
        let refused = auth.reset_password((provider, name), NEW).await;
        assert!(matches!(refused, Err(Error::UnknownKey)), "{refused:?}");
    }
    // A key that is deleted meanwhile takes its sessions along by nobody's wish.
    let probe = &scene.stage.probe;
    let key = NewKey::with_password(("email", "ada@example.com"), PASSWORD);
    auth.create_key(&scene.here.user_id, key).await.unwrap();
    probe.halt("change_password");
    let deleting = async {
        probe.arrived("change_password").await;
        auth.delete_key(("email", "ada@example.com")).await.unwrap();
        probe.release("change_password");
    };
    let reset = auth.reset_password(("email", "ada@example.com"), NEW);
    let (refused, ()) = tokio::join!(reset, deleting);
    assert!(matches!(refused, Err(Error::UnknownKey)), "{refused:?}");
    scene.assert_unchanged().await;
}

async fn r59_a_new_password_ends_the_open_links_and_codes_of_the_user(stage: Stage) {
    let auth = stage.auth().await;
    let mut ada = sign_up(&auth, "ada").await;
    sign_up(&auth, "bob").await;
    let key = || ("username", "ada");
    for with_session in [true, false] {
        let request = request_to(&auth);
        let reset = request.create_password_reset(key()).await;
        let reset = reset.unwrap().unwrap().token;
        let link = request.create_sign_in_link(key()).await;
        let link = link.unwrap().unwrap().token;
        let code = request.create_sign_in_code(key()).await;
        assert!(code.unwrap().is_some());
        let other = request.create_sign_in_link(("username", "bob")).await;
        let other = other.unwrap().unwrap().token;
        // A password that is refused ends nothing.
        let verified = verified(&auth, "ada").await;
        let refused = auth.change_password(&ada, &verified, "short").await;
        assert!(
            matches!(refused, Err(Error::InvalidPassword(_))),
            "{refused:?}"
        );
        auth.check_password_reset(reset.expose()).await.unwrap();
        if with_session {
            let changed = auth.change_password(&ada, &verified, PASSWORD).await;
            ada = changed.unwrap();
        } else {
            auth.reset_password(key(), PASSWORD).await.unwrap();
        }
        let checked = [
            auth.check_password_reset(reset.expose()).await,
            auth.check_sign_in_link(link.expose()).await,
        ];
        for checked in checked {
            assert!(
                matches!(checked, Err(Error::InvalidOneTimeToken)),
                "{checked:?}"
            );
        }
        let codes = "SELECT count(*) FROM one_time_token WHERE hashed_code IS NOT NULL";
        assert_eq!(stage.value(codes).await.as_deref(), Some("0"));
        auth.check_sign_in_link(other.expose()).await.unwrap();
    }
}
