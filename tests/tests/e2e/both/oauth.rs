//! Sign-in by a provider, over HTTP and on real stores. What a hostile provider tries is in the tests of lucia.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use lucia::oauth::{OAuthOutcome, OAuthProvider};
use lucia::{Auth, NewUser};
use lucia_tests::watch;

use super::framework::{
    Data, Form, Query, Response, Routes, answer, auth_request, front_page, serve,
};
use crate::support::oauth::{CANARY, CLIENT, Provider, SECRET};
use crate::support::{Browser, Profile, Site, Stage, Told, on_each_store, sign_up};

on_each_store![
    a_person_signs_up_by_a_provider_and_then_in,
    r64_of_twenty_callbacks_at_once_in_two_processes_one_signs_in,
    r64_another_browser_finishes_no_sign_in,
    a_user_links_a_provider_and_unlinks_it,
    r64_an_identity_of_another_user_is_linked_to_nobody_else,
    r63_r64_an_identity_is_neither_linked_nor_unlinked_by_a_session_that_has_ended,
    r46_nothing_of_a_sign_in_by_a_provider_is_logged,
    an_outage_in_any_step_signs_nobody_in,
    a_begun_sign_in_and_a_renewed_session_are_two_cookies,
    r69_a_sign_in_by_a_provider_says_so,
];

#[auth_request]
async fn begin_by(provider: Data<OAuthProvider>) -> lucia::Result<Response> {
    let url = auth_request.begin_oauth(&provider).await?;
    Ok(answer(303, &[("location", &url)], ""))
}

#[auth_request]
async fn link(provider: Data<OAuthProvider>) -> lucia::Result<Response> {
    let url = auth_request.link_oauth(&provider).await?;
    Ok(answer(303, &[("location", &url)], ""))
}

#[derive(serde::Deserialize)]
struct Key {
    subject: String,
}

#[auth_request]
async fn unlink(provider: Data<OAuthProvider>, form: Form<Key>) -> lucia::Result<&'static str> {
    auth_request.unlink_oauth(&provider, &form.subject).await?;
    Ok("unlinked")
}

#[auth_request]
async fn callback(
    provider: Data<OAuthProvider>,
    query: Query<HashMap<String, String>>,
) -> lucia::Result<Response> {
    let raw = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query.iter())
        .finish();
    let done = auth_request.finish_oauth(&provider, &raw).await?;
    match done.outcome {
        OAuthOutcome::Known(key) => {
            auth_request.sign_in(key).await?;
        }
        OAuthOutcome::New => {
            let username = done.identity.name.clone().unwrap_or_default();
            let new_user = NewUser::with_key(done.identity.new_key());
            auth_request
                .sign_up(new_user.attributes(&Profile { username }))
                .await?;
        }
        _ => return Ok(answer(200, &[], "linked")),
    }
    Ok(answer(303, &[("location", done.next.as_str())], ""))
}

fn routes(provider: &OAuthProvider) -> Routes {
    front_page()
        .get("/oauth", begin_by)
        .post("/link", link)
        .post("/unlink", unlink)
        .get("/callback", callback)
        .give(provider.clone())
}

/// A provider, and this application's registration there.
async fn provider(stage: &Stage) -> (Provider, OAuthProvider) {
    let provider = Provider::start(stage.clock.now()).await;
    let registered = OAuthProvider::oidc("id", &provider.url)
        .client(CLIENT, SECRET)
        .redirect_url("https://app.example/callback")
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    (provider, registered)
}

async fn scene(stage: &Stage) -> (Provider, Site) {
    let (provider, registered) = provider(stage).await;
    let site = serve(stage.auth().await, routes(&registered)).await;
    (provider, site)
}

/// The callback of a sign-in that this browser has begun.
async fn agreed(browser: &Browser, provider: &Provider) -> String {
    let reply = browser.get("/oauth").await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let url = reply.header("location").unwrap();
    format!("/callback?{}", provider.agree(url))
}

async fn linked(browser: &Browser, provider: &Provider) -> crate::support::Reply {
    let reply = browser.post("/link", &[]).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let query = provider.agree(reply.header("location").unwrap());
    browser.get(&format!("/callback?{query}")).await
}

async fn a_person_signs_up_by_a_provider_and_then_in(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    for (what, step) in [("up", "insert_user"), ("in", "insert_session_by_key")] {
        let browser = site.browser();
        stage.probe.calls();
        let path = agreed(&browser, &provider).await;
        assert_eq!(stage.probe.calls(), ["insert_token"]);
        let reply = browser.get(&path).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some("/")));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        let calls = stage.probe.calls();
        assert_eq!(calls[..3], ["token", "take_token", "key"], "{what}");
        assert_eq!(calls[3], step, "{what}");
        assert_eq!(calls.last(), Some(&"insert_session_by_key"), "{what}");
        assert_eq!(browser.get("/me").await.body, "Hello, Ada!");
    }
    assert_eq!(stage.count("auth_user").await, 1);
    assert_eq!(stage.count("one_time_token").await, 0);
}

async fn r64_of_twenty_callbacks_at_once_in_two_processes_one_signs_in(stage: Stage) {
    let (provider, registered) = provider(&stage).await;
    let one = serve(stage.auth().await, routes(&registered)).await;
    let other = serve(stage.auth().await, routes(&registered)).await;
    let browser = one.browser();
    let path = agreed(&browser, &provider).await;
    // The same browser, whichever process answers it.
    let cookies = browser.cookie_header().unwrap();
    let (name, value) = cookies.split_once('=').unwrap();
    let browsers: Vec<_> = (0..20)
        .map(|number| {
            let site = if number % 2 == 0 { &one } else { &other };
            let browser = site.browser();
            browser.keep(name, value);
            browser
        })
        .collect();
    let replies = join_all(browsers.iter().map(|browser| browser.get(&path))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (303, &[400; 19][..]));
    assert_eq!(provider.asked("token"), 1);
    assert_eq!(stage.count("user_session").await, 1);
}

async fn r64_another_browser_finishes_no_sign_in(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    let victim = site.browser();
    let attacker = site.browser();
    let path = agreed(&attacker, &provider).await;
    agreed(&victim, &provider).await;
    for browser in [&victim, &site.browser()] {
        assert_eq!(browser.get(&path).await.status, 400);
        assert_eq!(browser.get("/me").await.status, 401);
    }
    assert_eq!(attacker.get(&path).await.status, 303);
    assert_eq!(attacker.get(&path).await.status, 400);
}

async fn r69_a_sign_in_by_a_provider_says_so(stage: Stage) {
    let (provider, registered) = provider(&stage).await;
    let told = Told::default();
    let builder = stage.builder().await.on_event(told.hook());
    let site = serve(builder.build().unwrap(), routes(&registered)).await;
    for method in ["sign_up", "oauth"] {
        let browser = site.browser();
        let path = agreed(&browser, &provider).await;
        assert_eq!(browser.get(&path).await.status, 303);
        let last = told.events().pop().unwrap();
        let last = serde_json::to_value(&last.kind).unwrap();
        assert_eq!(
            (&last["event"], &last["method"]),
            (&"signed_in".into(), &method.into())
        );
    }
}

async fn a_user_links_a_provider_and_unlinks_it(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    let reply = linked(&browser, &provider).await;
    assert_eq!((reply.status, &*reply.body), (200, "linked"));

    let elsewhere = site.browser();
    let path = agreed(&elsewhere, &provider).await;
    assert_eq!(elsewhere.get(&path).await.status, 303);
    assert_eq!(elsewhere.get("/me").await.body, "Hello, ada!");

    let reply = browser.post("/unlink", &[("subject", "ada")]).await;
    assert_eq!((reply.status, &*reply.body), (200, "unlinked"));
    let keys = site.auth.user_keys(&ada.user_id).await.unwrap();
    assert_eq!(keys.len(), 1);
    // The session that began by the key is one of the user's, who ends it as any other.
    let reply = browser.post("/unlink", &[("subject", "ada")]).await;
    assert_eq!(reply.status, 404);
}

async fn r64_an_identity_of_another_user_is_linked_to_nobody_else(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    // Both at once.
    let browsers = [site.browser_of(&ada), site.browser_of(&bob)];
    let mut paths = Vec::new();
    for browser in &browsers {
        let reply = browser.post("/link", &[]).await;
        let query = provider.agree(reply.header("location").unwrap());
        paths.push(format!("/callback?{query}"));
    }
    let (one, other) = tokio::join!(browsers[0].get(&paths[0]), browsers[1].get(&paths[1]));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let keys = stage
        .rows("SELECT id FROM user_key WHERE id = 'id:ada'")
        .await;
    assert_eq!(keys.len(), 1);
}

async fn r63_r64_an_identity_is_neither_linked_nor_unlinked_by_a_session_that_has_ended(
    stage: Stage,
) {
    let (provider, site) = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    let reply = browser.post("/link", &[]).await;
    let query = provider.agree(reply.header("location").unwrap());
    let path = format!("/callback?{query}");
    let elsewhere = Auth::builder(stage.store().await).clock(stage.clock.reader());
    let elsewhere = elsewhere.build().unwrap();
    // The last step is about to be taken: when linking, the provider has answered.
    let end = async || {
        stage.probe.arrived("write_key").await;
        let ended = elsewhere.invalidate_user_sessions(&ada.user_id);
        ended.await.unwrap();
        stage.probe.release("write_key");
    };
    stage.probe.halt("write_key");
    let (reply, ()) = tokio::join!(browser.get(&path), end());
    assert_eq!((reply.status, &*reply.body), (401, "Not signed in."));
    let keys = site.auth.user_keys(&ada.user_id).await.unwrap();
    assert_eq!(keys.len(), 1);

    let again = site.auth.create_session(&ada.user_id).await.unwrap();
    let browser = site.browser_of(&again);
    assert_eq!(linked(&browser, &provider).await.status, 200);
    stage.probe.halt("write_key");
    let form = [("subject", "ada")];
    let (reply, ()) = tokio::join!(browser.post("/unlink", &form), end());
    assert_eq!((reply.status, &*reply.body), (401, "Not signed in."));
    let keys = site.auth.user_keys(&ada.user_id).await.unwrap();
    assert_eq!(keys.len(), 2);
}

async fn r46_nothing_of_a_sign_in_by_a_provider_is_logged(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    let browser = site.browser();
    let begun = browser.get("/oauth").await;
    let url = url::Url::parse(begun.header("location").unwrap()).unwrap();
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let cookie = browser.cookie_header().unwrap();
    let (_, cookie) = cookie.split_once('=').unwrap();
    let rows = stage.rows("SELECT data FROM one_time_token").await;
    let data: serde_json::Value = serde_json::from_str(rows[0][0].as_ref().unwrap()).unwrap();
    let verifier = data["verifier"].as_str().unwrap();
    let watch = watch([CANARY, &query["nonce"], cookie, verifier]);

    let path = format!("/callback?{}", provider.agree(url.as_str()));
    assert_eq!(browser.get(&path).await.status, 303);
    let registered = OAuthProvider::oidc("id", &provider.url)
        .client(CLIENT, SECRET)
        .redirect_url("https://app.example/callback");
    let registered = registered.build().unwrap();
    let refused = site
        .auth
        .refresh_oauth_tokens(&registered, &format!("{CANARY}wrong"))
        .await;
    assert!(!format!("{refused:?}").contains(CANARY));
    // What a server logs of its requests is not lucia's: the code is in the URL.
    let lines = watch.lines();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("/callback?"))
        .collect();
    assert!(lines.is_empty(), "{lines:#?}");
}

async fn an_outage_in_any_step_signs_nobody_in(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    for (step, is_used) in [("token", false), ("take_token", false), ("key", true)] {
        let browser = site.browser();
        let path = agreed(&browser, &provider).await;
        stage.probe.halt(step);
        let outage = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let (reply, ()) = tokio::join!(browser.get(&path), outage);
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503, "{step}");
        assert_eq!(reply.set_cookies(), Vec::<&str>::new());
        assert_eq!(browser.get("/me").await.status, 401, "{step}");
        let again = browser.get(&path).await.status;
        assert_eq!(again, if is_used { 400 } else { 303 }, "{step}");
        stage.execute("DELETE FROM user_session").await;
    }
    let browser = site.browser();
    stage.probe.set_down(true);
    let reply = browser.get("/oauth").await;
    stage.probe.set_down(false);
    assert_eq!(reply.status, 503);
    assert_eq!(reply.set_cookies(), Vec::<&str>::new());
}

async fn a_begun_sign_in_and_a_renewed_session_are_two_cookies(stage: Stage) {
    let (provider, site) = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    // Long enough ago to be renewed, and recent enough to link.
    let idle = "UPDATE user_session SET active_expires = 0";
    stage.execute(idle).await;
    let reply = browser.post("/link", &[]).await;
    let mut names: Vec<_> = reply
        .set_cookies()
        .iter()
        .map(|cookie| cookie.split('=').next().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["__Host-auth_browser", "__Host-auth_session"]);
    let query = provider.agree(reply.header("location").unwrap());
    assert_eq!(
        browser.get(&format!("/callback?{query}")).await.body,
        "linked"
    );
}
