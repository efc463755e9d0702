//! Sessions over time, and what can and cannot stand for one, as requests see them.

use std::time::Duration;

use super::framework::{front_page, serve};
use crate::support::{PASSWORD, Site, Stage, on_each_store, on_redis, sign_up};

on_each_store![
    r02_nothing_in_a_dump_of_the_database_authenticates,
    r03_a_token_in_the_query_or_a_form_does_not_authenticate,
    r04_an_unknown_token_is_nobody_and_never_becomes_a_session,
    r16_a_session_lives_until_its_idle_limit_and_not_a_second_longer,
    r17_an_absolute_lifetime_ends_whatever_the_traffic,
    r19_a_session_ended_in_one_process_is_over_in_another,
    r20_a_lookup_under_way_when_the_session_is_revoked_finds_nobody,
    r20_a_renewal_under_way_when_the_user_is_deleted_brings_nothing_back,
    r22_a_deleted_users_next_request_is_anonymous,
    r23_a_public_id_authenticates_nobody,
    r23_nobody_revokes_the_session_of_another,
];

on_redis![
    r03_a_token_in_the_query_or_a_form_does_not_authenticate,
    r04_an_unknown_token_is_nobody_and_never_becomes_a_session,
    r16_a_session_lives_until_its_idle_limit_and_not_a_second_longer,
    r17_an_absolute_lifetime_ends_whatever_the_traffic,
    r19_a_session_ended_in_one_process_is_over_in_another,
    r23_a_public_id_authenticates_nobody,
    r23_nobody_revokes_the_session_of_another,
];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn site(stage: &Stage) -> Site {
    serve(stage.auth().await, front_page()).await
}

async fn r02_nothing_in_a_dump_of_the_database_authenticates(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let token = session.token().expose();
    let dump = stage.dump().await;
    assert!(dump.iter().any(|value| value == session.id.as_str()));
    for value in dump {
        assert!(!value.contains(token), "the token is in the database");
        let browser = site.browser();
        browser.keep("__Host-auth_session", &value);
        let request = browser.request(reqwest::Method::GET, "/who");
        let reply = browser.send(request.bearer_auth(&value)).await;
        assert_eq!(reply.body, "nobody", "{value}");
    }
    assert_eq!(site.browser_of(&session).get("/who").await.body, "ada");
}

async fn r03_a_token_in_the_query_or_a_form_does_not_authenticate(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let token = session.token().expose();
    for name in ["__Host-auth_session", "auth_session", "session", "token"] {
        let query = site.browser().get(&format!("/who?{name}={token}")).await;
        assert_eq!(query.body, "nobody");
        let form = site.browser().post("/who", &[(name, token)]).await;
        assert_eq!(form.body, "nobody");
        let request = site.browser().request(reqwest::Method::GET, "/who");
        let header = site.browser().send(request.header(name, token)).await;
        assert_eq!(header.body, "nobody");
    }
}

async fn r04_an_unknown_token_is_nobody_and_never_becomes_a_session(stage: Stage) {
    let site = site(&stage).await;
    sign_up(&site.auth, "ada").await;
    let planted = "a".repeat(40);
    let browser = site.browser();
    browser.keep("__Host-auth_session", &planted);
    let form = [("username", "ada"), ("password", PASSWORD)];
    let reply = browser.post("/login", &form).await;
    assert_eq!(reply.status, 204);
    assert!(!reply.set_cookie().contains(&planted));
    assert_eq!(browser.get("/who").await.body, "ada");

    let attacker = site.browser();
    attacker.keep("__Host-auth_session", &planted);
    let reply = attacker.get("/who").await;
    assert_eq!(reply.body, "nobody");
    assert!(reply.set_cookies().is_empty());
}

async fn r16_a_session_lives_until_its_idle_limit_and_not_a_second_longer(stage: Stage) {
    let site = site(&stage).await;
    let used = sign_up(&site.auth, "ada").await;
    let unused = site.auth.create_session(&used.user_id).await.unwrap();

    stage.clock.set(used.idle_expires - SECOND);
    assert_eq!(site.browser_of(&used).get("/who").await.body, "ada");
    stage.clock.set(used.idle_expires + SECOND);
    let replayed = site.browser_of(&unused).get("/who").await;
    assert_eq!(replayed.body, "nobody");
    assert!(replayed.set_cookies().is_empty());
    // The other one was renewed in time.
    assert_eq!(site.browser_of(&used).get("/who").await.body, "ada");
}

async fn r17_an_absolute_lifetime_ends_whatever_the_traffic(stage: Stage) {
    let settings = stage.builder().await;
    let settings = settings.active_period(2 * MINUTE).idle_period(10 * MINUTE);
    let auth = settings.absolute_period(60 * MINUTE).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, front_page()).await;
    let browser = site.browser_of(&session);
    for minute in 1..=60 {
        stage.clock.set(session.created_at + minute * MINUTE);
        assert_eq!(browser.get("/who").await.body, "ada", "minute {minute}");
    }
    stage.clock.advance(SECOND);
    let replayed = site.browser_of(&session).get("/who").await;
    assert_eq!(replayed.body, "nobody");
    assert!(replayed.set_cookies().is_empty());
}

async fn r19_a_session_ended_in_one_process_is_over_in_another(stage: Stage) {
    let (here, there) = (site(&stage).await, site(&stage).await);
    let session = sign_up(&here.auth, "ada").await;
    assert_eq!(there.browser_of(&session).get("/me").await.status, 200);
    let reply = here.browser_of(&session).post("/logout", &[]).await;
    assert_eq!(reply.status, 204);
    assert!(reply.removes_cookie());
    for site in [&here, &there] {
        let replayed = site.browser_of(&session).get("/me").await;
        assert_eq!(replayed.status, 401);
        assert!(replayed.set_cookies().is_empty());
    }
}

async fn r20_a_lookup_under_way_when_the_session_is_revoked_finds_nobody(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    stage.probe.halt("session_and_user");
    let browser = site.browser_of(&session);
    let revoking = async {
        stage.probe.arrived("session_and_user").await;
        let user_id = &session.user_id;
        site.auth.invalidate_user_sessions(user_id).await.unwrap();
        stage.probe.release("session_and_user");
    };
    let (reply, ()) = tokio::join!(browser.get("/me"), revoking);
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    assert_eq!(stage.count("user_session").await, 0);
}

async fn r20_a_renewal_under_way_when_the_user_is_deleted_brings_nothing_back(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    stage.clock.advance(2 * DAY);
    stage.probe.halt("renew_session");
    let browser = site.browser_of(&session);
    let deleting = async {
        stage.probe.arrived("renew_session").await;
        site.auth.delete_user(&session.user_id).await.unwrap();
        stage.probe.release("renew_session");
    };
    let (reply, ()) = tokio::join!(browser.get("/me"), deleting);
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    assert!(stage.dump().await.is_empty());
}

async fn r22_a_deleted_users_next_request_is_anonymous(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/me").await.status, 200);
    site.auth.delete_user(&session.user_id).await.unwrap();
    let reply = browser.get("/me").await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    assert!(stage.dump().await.is_empty());
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &form).await.status, 401);
    // And the name is free again.
    assert_eq!(browser.post("/signup", &form).await.status, 201);
}

async fn r23_a_public_id_authenticates_nobody(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let id = session.id.as_str();
    for value in [id, &id[..40], &id[24..]] {
        let browser = site.browser();
        browser.keep("__Host-auth_session", value);
        assert_eq!(browser.get("/me").await.status, 401);
    }
}

async fn r23_nobody_revokes_the_session_of_another(stage: Stage) {
    let site = site(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let auth = &site.auth;
    let by_bob = auth.invalidate_user_session(&bob.user_id, &ada.id).await;
    assert!(!by_bob.unwrap());
    assert_eq!(site.browser_of(&ada).get("/me").await.status, 200);
    let by_ada = auth.invalidate_user_session(&ada.user_id, &ada.id).await;
    assert!(by_ada.unwrap());
    assert_eq!(site.browser_of(&ada).get("/me").await.status, 401);
    assert_eq!(site.browser_of(&bob).get("/me").await.status, 200);
}
