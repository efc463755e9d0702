//! Tokens of providers that are stored, over HTTP and on real stores. What a refresh meets is in the tests of lucia.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use futures_util::future::join_all;
use lucia::oauth::{OAuthOutcome, OAuthProvider};
use lucia::{Auth, EncryptionKey, NewUser, User};
use lucia_tests::watch;
use tokio::sync::Semaphore;

use super::framework::{
    Data, Form, Query, Response, Routes, answer, auth_request, front_page, serve,
};
use crate::support::oauth::{CANARY, CLIENT, Provider, SECRET};
use crate::support::{Browser, PASSWORD, Profile, Site, Stage, on_each_store, sign_up};

on_each_store![
    r70_tokens_are_stored_encrypted_and_refreshed_once_for_fifty_requests_of_two_processes,
    r70_new_tokens_survive_an_outage_of_the_store_and_a_client_that_goes_away,
    r70_a_lost_key_locks_nobody_out,
    r70_what_an_old_key_encrypts_is_written_again_by_a_request,
    what_ends_a_link_leaves_no_tokens,
    stores_are_checked_for_what_keys_need,
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

/// Where users are created in a transaction of the application's, if they are.
#[derive(Clone)]
struct Transactions {
    pool: Option<Pool>,
}

#[auth_request]
async fn callback(
    provider: Data<OAuthProvider>,
    transactions: Data<Transactions>,
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
            let key = done.identity.new_key();
            let new_user = NewUser::with_key(key).attributes(&Profile { username });
            match &transactions.pool {
                None => drop(auth_request.sign_up(new_user).await?),
                Some(pool) => {
                    let mut client = pool.get().await.unwrap();
                    let transaction = client.transaction().await.unwrap();
                    let creating = auth_request.auth().create_user(new_user);
                    let user: User<Profile> = creating.transaction(&transaction).await?;
                    let is_rolled_back = query.contains_key("roll_back");
                    match is_rolled_back {
                        true => transaction.rollback().await.unwrap(),
                        false => transaction.commit().await.unwrap(),
                    }
                    return Ok(answer(200, &[], user.id.as_str()));
                }
            }
        }
        _ => return Ok(answer(200, &[], "linked")),
    }
    Ok(answer(303, &[("location", done.next.as_str())], ""))
}

/// What a page does that calls the provider's API.
#[auth_request]
async fn api(provider: Data<OAuthProvider>) -> lucia::Result<String> {
    let session = auth_request.require().await?;
    let auth = auth_request.auth();
    let tokens = auth.oauth_tokens(&session.user_id, &provider).await?;
    Ok(match tokens {
        Some(tokens) => tokens.access_token().replace(CANARY, ""),
        None => "none".to_owned(),
    })
}

fn routes(provider: &OAuthProvider, pool: Option<Pool>) -> Routes {
    front_page()
        .get("/oauth", begin_by)
        .post("/link", link)
        .post("/unlink", unlink)
        .get("/callback", callback)
        .get("/api", api)
        .give(provider.clone())
        .give(Transactions { pool })
}

async fn provider(stage: &Stage) -> (Provider, OAuthProvider) {
    let provider = Provider::start(stage.clock.now()).await;
    provider.ways().refresh.rotates = true;
    let registered = OAuthProvider::oidc("id", &provider.url)
        .client(CLIENT, SECRET)
        .redirect_url("https://app.example/callback")
        .timeout(Duration::from_secs(60))
        .store_tokens()
        .build()
        .unwrap();
    (provider, registered)
}

fn keys(ids: &[u8]) -> Vec<EncryptionKey> {
    let bytes = |id: u8| std::array::from_fn::<u8, 32, _>(|at| id ^ u8::try_from(at).unwrap());
    let key = |id: &u8| EncryptionKey::new(id.to_string(), bytes(*id));
    ids.iter().map(key).collect()
}

async fn site(stage: &Stage, provider: &OAuthProvider, ids: &[u8]) -> Site {
    let auth = stage.builder().await.encryption_keys(keys(ids));
    serve(auth.build().unwrap(), routes(provider, None)).await
}

/// Signs a browser in by the provider.
async fn sign_in(site: &Site, provider: &Provider) -> Browser {
    let browser = site.browser();
    let reply = browser.get("/oauth").await;
    let query = provider.agree(reply.header("location").unwrap());
    let reply = browser.get(&format!("/callback?{query}")).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    browser
}

/// The same browser, at another process.
fn at(site: &Site, browser: &Browser) -> Browser {
    let other = site.browser();
    for pair in browser.cookie_header().unwrap().split("; ") {
        let (name, value) = pair.split_once('=').unwrap();
        other.keep(name, value);
    }
    other
}

async fn ask(browser: &Browser) -> (u16, String) {
    let reply = browser.get("/api").await;
    (reply.status, reply.body)
}

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn r70_tokens_are_stored_encrypted_and_refreshed_once_for_fifty_requests_of_two_processes(
    stage: Stage,
) {
    let (provider, registered) = provider(&stage).await;
    let one = site(&stage, &registered, &[1]).await;
    let other = site(&stage, &registered, &[1]).await;
    let watch = watch([CANARY, "v1.1."]);
    stage.probe.calls();
    let browser = sign_in(&one, &provider).await;
    assert_eq!(
        stage.probe.calls()[4..],
        ["insert_user", "insert_credential", "insert_session_by_key"]
    );
    assert_eq!(ask(&browser).await, (200, "access".to_owned()));
    let calls = stage.probe.calls();
    assert_eq!(calls[calls.len() - 2..], ["user_credentials", "key"]);
    let browser = sign_in(&other, &provider).await;
    let calls = stage.probe.calls();
    assert_eq!(
        calls[calls.len() - 3..],
        ["key", "insert_credential", "insert_session_by_key"]
    );
    assert_eq!(stage.count("user_credential").await, 1);

    stage.clock.advance(HOUR);
    let browsers: Vec<_> = (0..50)
        .map(|number| at(if number % 2 == 0 { &one } else { &other }, &browser))
        .collect();
    for number in 1..3 {
        let asked = provider.asked("token");
        for asked in join_all(browsers.iter().map(ask)).await {
            assert_eq!(asked, (200, format!("access-{number}")));
        }
        assert_eq!(provider.asked("token"), asked + 1);
        stage.clock.advance(HOUR);
    }
    assert!(!provider.ways().refresh.revoked);
    // Nothing of it is in the database, or in the log but for the URL that a server logs.
    let dump = stage.dump().await;
    assert!(
        dump.iter().any(|value| value.contains("v1.1.")),
        "{dump:#?}"
    );
    let shown: Vec<_> = dump.iter().filter(|value| value.contains(CANARY)).collect();
    assert!(shown.is_empty(), "{shown:#?}");
    let lines = watch.lines();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line.contains("/callback?"))
        .collect();
    assert!(lines.is_empty(), "{lines:#?}");
}

/// Waits for this.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, waiting).await.unwrap();
}

/// A store that is down while the answer of the provider comes, and up again later.
async fn outage(stage: &Stage, provider: &Provider) {
    let (replace, gate) = ("replace_credential_data", Arc::new(Semaphore::new(0)));
    let asked = provider.asked("token");
    provider.ways().refresh.gate = Some(gate.clone());
    until(|| provider.asked("token") > asked).await;
    provider.ways().refresh.gate = None;
    stage.probe.halt(replace);
    gate.add_permits(1);
    stage.probe.arrived(replace).await;
    stage.probe.calls();
    stage.probe.set_down(true);
    stage.probe.release(replace);
    // It has failed, and is tried again.
    until(|| stage.probe.calls().contains(&replace)).await;
    stage.probe.set_down(false);
}

async fn r70_new_tokens_survive_an_outage_of_the_store_and_a_client_that_goes_away(stage: Stage) {
    let (provider, registered) = provider(&stage).await;
    let site = site(&stage, &registered, &[1]).await;
    let browser = sign_in(&site, &provider).await;
    stage.clock.advance(HOUR);
    let (asked, ()) = tokio::join!(ask(&browser), outage(&stage, &provider));
    assert_eq!(asked, (200, "access-1".to_owned()));
    assert_eq!(ask(&browser).await, (200, "access-1".to_owned()));

    stage.clock.advance(HOUR);
    // The connection is closed before the answer comes.
    tokio::select! {
        asked = ask(&browser) => panic!("{asked:?}"),
        () = outage(&stage, &provider) => {}
    }
    assert_eq!(ask(&browser).await, (200, "access-2".to_owned()));
    stage.clock.advance(HOUR);
    assert_eq!(ask(&browser).await, (200, "access-3".to_owned()));
    assert!(!provider.ways().refresh.revoked);

    // An outage before the provider is asked uses no token.
    stage.clock.advance(HOUR);
    let asked = provider.asked("token");
    stage.probe.set_down(true);
    assert_eq!(ask(&browser).await.0, 503);
    stage.probe.set_down(false);
    assert_eq!(provider.asked("token"), asked);
    assert_eq!(ask(&browser).await, (200, "access-4".to_owned()));
}

async fn r70_a_lost_key_locks_nobody_out(stage: Stage) {
    let (provider, registered) = provider(&stage).await;
    let former = site(&stage, &registered, &[1]).await;
    let browser = sign_in(&former, &provider).await;
    let password = lucia::NewKey::with_password(("username", "ada"), PASSWORD);
    let user_id = former
        .auth
        .key(("id", "ada"))
        .await
        .unwrap()
        .unwrap()
        .user_id;
    former.auth.create_key(&user_id, password).await.unwrap();

    let site = site(&stage, &registered, &[2]).await;
    let there = at(&site, &browser);
    let sentence =
        "What connects you to the other site cannot be used. Sign in with that site again.";
    assert_eq!(ask(&there).await, (403, sentence.to_owned()));
    assert_eq!(there.get("/me").await.status, 200);
    let verified = site
        .auth
        .verify_password(("username", "ada"), PASSWORD)
        .await;
    verified.unwrap();
    let there = sign_in(&site, &provider).await;
    assert_eq!(ask(&there).await, (200, "access".to_owned()));
    assert_eq!(stage.count("user_credential").await, 1);
    assert_eq!(stage.count("auth_user").await, 1);
}

async fn r70_what_an_old_key_encrypts_is_written_again_by_a_request(stage: Stage) {
    let (provider, registered) = provider(&stage).await;
    let former = site(&stage, &registered, &[1]).await;
    let browser = sign_in(&former, &provider).await;
    let data = async || {
        stage
            .value("SELECT data FROM user_credential")
            .await
            .unwrap()
    };
    assert!(data().await.contains("v1.1."));
    let site = site(&stage, &registered, &[2, 1]).await;
    let browsers: Vec<_> = (0..20).map(|_| at(&site, &browser)).collect();
    for asked in join_all(browsers.iter().map(ask)).await {
        assert_eq!(asked, (200, "access".to_owned()));
    }
    assert!(data().await.contains("v1.2."));
    assert_eq!(provider.asked("token"), 1);
}

async fn what_ends_a_link_leaves_no_tokens(stage: Stage) {
    let (provider, registered) = provider(&stage).await;
    let site = site(&stage, &registered, &[1]).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    assert_eq!(ask(&browser).await, (200, "none".to_owned()));
    for _ in 0..2 {
        let reply = browser.post("/link", &[]).await;
        let query = provider.agree(reply.header("location").unwrap());
        assert_eq!(
            browser.get(&format!("/callback?{query}")).await.body,
            "linked"
        );
        assert_eq!(ask(&browser).await, (200, "access".to_owned()));
    }
    assert_eq!(stage.count("user_credential").await, 1);
    let reply = browser.post("/unlink", &[("subject", "ada")]).await;
    assert_eq!((reply.status, &*reply.body), (200, "unlinked"));
    assert_eq!(stage.count("user_credential").await, 0);
    assert_eq!(ask(&browser).await, (200, "none".to_owned()));

    sign_in(&site, &provider).await;
    assert_eq!(stage.count("user_credential").await, 1);
    let user_id = site.auth.key(("id", "ada")).await.unwrap().unwrap().user_id;
    site.auth.delete_user(&user_id).await.unwrap();
    assert_eq!(stage.count("user_credential").await, 0);
}

async fn stores_are_checked_for_what_keys_need(stage: Stage) {
    let auth = stage
        .builder()
        .await
        .encryption_keys(keys(&[1]))
        .build()
        .unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    let without = stage.auth().await;
    stage.execute("DROP TABLE user_credential").await;
    without.check_schema::<Profile>().await.unwrap();
    match auth.check_schema::<Profile>().await {
        Err(lucia::Error::Schema { table, .. }) => assert_eq!(table, "user_credential"),
        other => panic!("{other:?}"),
    }
    let (provider, registered) = provider(&stage).await;
    let site = serve(auth, routes(&registered, None)).await;
    let browser = site.browser();
    let reply = browser.get("/oauth").await;
    let query = provider.agree(reply.header("location").unwrap());
    assert_eq!(browser.get(&format!("/callback?{query}")).await.status, 500);

    stage.probe.have_no_credentials();
    match stage.builder().await.encryption_keys(keys(&[1])).build() {
        Err(lucia::Error::Setting { setting, reason }) => {
            assert_eq!(setting, "encryption_keys");
            assert!(reason.contains("`CredentialStore`"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tokens_are_stored_in_the_transaction_that_creates_the_user() {
    let stage = Stage::postgres().await;
    let (provider, registered) = provider(&stage).await;
    // The probe has no transactions.
    let auth = Auth::builder(stage.pg_store().await).encryption_keys(keys(&[1]));
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    let config = stage.database().url().parse().unwrap();
    let pool = Pool::builder(Manager::new(config, tokio_postgres::NoTls));
    let pool = pool.max_size(2).build().unwrap();
    let site = serve(auth, routes(&registered, Some(pool))).await;
    for (more, left) in [("&roll_back=yes", 0), ("", 1)] {
        let browser = site.browser();
        let reply = browser.get("/oauth").await;
        let query = provider.agree(reply.header("location").unwrap());
        let reply = browser.get(&format!("/callback?{query}{more}")).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(stage.count("auth_user").await, left);
        assert_eq!(stage.count("user_credential").await, left);
    }
    let browser = sign_in(&site, &provider).await;
    assert_eq!(ask(&browser).await, (200, "access".to_owned()));
}
