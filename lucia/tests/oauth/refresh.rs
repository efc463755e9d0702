//! Stored tokens that are refreshed: by one caller at a time, and lost in no way out.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use lucia::oauth::{OAuthErrorKind, OAuthProvider, OAuthTokens};
use lucia::{Auth, UserId};
use serde_json::json;
use tokio::sync::Semaphore;

use super::provider::{LONG, Provider, Trick};
use super::site::{Site, registration};
use super::stored::{ada, assert_kind, beside, row, rows, storing};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A site whose provider accepts each refresh token once, and a user whose access token has expired.
async fn expired() -> (Provider, Site, OAuthProvider, UserId) {
    let (provider, site, registered) = storing().await;
    provider.ways().refresh.rotates = true;
    let user_id = ada(&site, &provider).await;
    site.clock.advance(HOUR);
    (provider, site, registered, user_id)
}

fn assert_tokens(asked: lucia::Result<Option<OAuthTokens>>, number: u32) {
    let tokens = asked.unwrap().unwrap();
    assert_eq!(tokens.access_token(), format!("canary-access-{number}"));
    let refresh_token = format!("canary-refresh-{number}");
    assert_eq!(tokens.refresh_token(), Some(&*refresh_token));
}

#[tokio::test]
async fn an_access_token_is_refreshed_in_its_last_minute() {
    let (provider, site, registered) = storing().await;
    provider.ways().refresh.rotates = true;
    let user_id = ada(&site, &provider).await;
    let ask = async || site.auth.oauth_tokens(&user_id, &registered).await;
    site.clock.advance(HOUR - Duration::from_secs(61));
    let tokens = ask().await.unwrap().unwrap();
    assert_eq!(tokens.access_token(), "canary-access");
    assert_eq!(tokens.expires_in(), Some(Duration::from_secs(61)));
    assert_eq!(provider.asked("token"), 1);
    for number in 1..4 {
        site.clock.advance(Duration::from_secs(1));
        assert_tokens(ask().await, number);
        assert_tokens(ask().await, number);
        assert_eq!(provider.asked("token"), 1 + number as usize);
        let used = row(&site, &user_id).await.last_used_at.unwrap();
        assert_eq!(used, site.clock.now().into());
        site.clock.advance(HOUR - Duration::from_secs(61));
    }
}

#[tokio::test]
async fn an_access_token_that_never_expires_is_not_refreshed() {
    let (provider, site, registered) = storing().await;
    provider.ways().refresh.is_endless = true;
    let user_id = ada(&site, &provider).await;
    site.clock.advance(1000 * HOUR);
    let tokens = site.auth.oauth_tokens(&user_id, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().expires_in(), None);
    assert_eq!(provider.asked("token"), 1);
}

#[tokio::test]
async fn r70_of_fifty_calls_at_once_in_two_processes_one_refreshes() {
    let (provider, site, registered, user_id) = expired().await;
    let other = beside(&site, &[1]);
    let gate = Arc::new(Semaphore::new(0));
    provider.ways().refresh.gate = Some(gate.clone());
    let asked = (0..50).map(|number| {
        let auth = if number % 2 == 0 { &site.auth } else { &other };
        auth.oauth_tokens(&user_id, &registered).into_future()
    });
    // The answer comes when all of them have asked.
    let open = async {
        until(|| provider.asked("token") == 2).await;
        gate.add_permits(50);
    };
    let (all, ()) = tokio::join!(join_all(asked), open);
    for tokens in all {
        assert_tokens(tokens, 1);
    }
    assert_eq!(provider.asked("token"), 2);
    assert!(!provider.ways().refresh.revoked);
}

/// Waits for this.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

#[tokio::test]
async fn r70_a_call_that_is_dropped_at_any_await_loses_no_token() {
    let (provider, site, registered, user_id) = expired().await;
    let mut refreshed = 0;
    let mut check = async |stage: &str| {
        // Whether it has begun or not, the next call has what is in force.
        refreshed += 1;
        let next = site.auth.oauth_tokens(&user_id, &registered).await;
        assert_tokens(next, refreshed);
        assert!(!provider.ways().refresh.revoked, "{stage}");
        assert_eq!(provider.asked("token"), 1 + refreshed as usize, "{stage}");
        site.clock.advance(HOUR);
    };
    for polls in 1.. {
        let asking = site.auth.oauth_tokens(&user_id, &registered).into_future();
        let is_done = polled(polls, asking).await;
        check(&format!("poll {polls}")).await;
        if is_done {
            assert!(polls > 1, "it waits for the provider");
            break;
        }
    }
    // While the provider answers: it has replaced the refresh token.
    let gate = Arc::new(Semaphore::new(0));
    provider.ways().refresh.gate = Some(gate.clone());
    let before = provider.asked("token");
    tokio::select! {
        asked = site.auth.oauth_tokens(&user_id, &registered).into_future() => panic!("{asked:?}"),
        () = until(|| provider.asked("token") > before) => {}
    }
    provider.ways().refresh.gate = None;
    gate.add_permits(1);
    check("the answer").await;
}

/// Polls a future as often as that, and then drops it. Returns whether it was done.
async fn polled(mut polls: usize, future: impl Future) -> bool {
    let mut future = pin!(future);
    poll_fn(|context| {
        if future.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        polls -= 1;
        match polls {
            0 => Poll::Ready(false),
            _ => Poll::Pending,
        }
    })
    .await
}

/// A process that is killed while the provider has its question.
async fn killed_in_its_turn(
    provider: &Provider,
    auth: Auth,
    (user_id, registered): (&UserId, &OAuthProvider),
) {
    let before = provider.asked("token");
    provider.ways().token = Trick::Silence;
    let (kill, killed) = tokio::sync::oneshot::channel::<()>();
    let (user_id, registered) = (user_id.clone(), registered.clone());
    let process = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async move {
            let asking = auth.oauth_tokens(&user_id, &registered).into_future();
            tokio::select! {
                asked = asking => panic!("{asked:?}"),
                _ = killed => {}
            }
        });
    });
    until(|| provider.asked("token") > before).await;
    kill.send(()).unwrap();
    process.join().unwrap();
    provider.ways().token = Trick::None;
}

/// The registration of [`storing`] with less patience.
fn impatient(provider: &Provider) -> OAuthProvider {
    let builder = registration("id", provider).store_tokens();
    builder.timeout(Duration::from_millis(100)).build().unwrap()
}

#[tokio::test]
async fn r70_the_turn_of_a_process_that_was_killed_ends() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    site.clock.advance(HOUR);
    let ask = async || site.auth.oauth_tokens(&user_id, &registered).await;
    let of = (&user_id, &registered);
    killed_in_its_turn(&provider, beside(&site, &[1]), of).await;

    // It may still be at it, so none asks in its place.
    let impatient = impatient(&provider);
    let asked = site.auth.oauth_tokens(&user_id, &impatient).await;
    let said = assert_kind(asked, OAuthErrorKind::Unreachable);
    assert!(said.contains("does not end"), "{said}");
    assert_eq!(provider.asked("token"), 2);
    site.clock.advance(Duration::from_secs(120));
    assert_eq!(
        ask().await.unwrap().unwrap().access_token(),
        "canary-access"
    );
    assert_eq!(provider.asked("token"), 3);

    // A clock that was days ahead holds up no call for days.
    site.clock.advance(1000 * HOUR);
    killed_in_its_turn(&provider, beside(&site, &[1]), of).await;
    site.clock.set(site.clock.now() - 900 * HOUR);
    assert_eq!(
        ask().await.unwrap().unwrap().access_token(),
        "canary-access"
    );
    assert_eq!(provider.asked("token"), 5);
}

#[tokio::test]
async fn r70_a_provider_that_is_down_slow_or_lying_ends_nothing() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    site.clock.advance(HOUR);
    let text = |status, kind, text: &str| Trick::Text(status, kind, text.to_owned());
    let error = |code: &str| json!({ "error": code }).to_string();
    let json = "application/json";
    for (trick, kind) in [
        (text(500, "text/plain", ""), OAuthErrorKind::Unreachable),
        (text(503, json, "{}"), OAuthErrorKind::Unreachable),
        (text(429, "text/plain", ""), OAuthErrorKind::InvalidAnswer),
        (
            text(200, "text/html", "<h1>canary-</h1>"),
            OAuthErrorKind::InvalidAnswer,
        ),
        (text(200, json, "{}"), OAuthErrorKind::InvalidAnswer),
        (
            text(400, json, &error("invalid_client")),
            OAuthErrorKind::InvalidAnswer,
        ),
        (
            text(400, json, &error("temporarily_unavailable")),
            OAuthErrorKind::InvalidAnswer,
        ),
        (
            Trick::Json(json!({ "access_token": "a", "token_type": "mac" })),
            OAuthErrorKind::InvalidAnswer,
        ),
        (
            Trick::Redirect("https://evil.example/".to_owned()),
            OAuthErrorKind::InvalidAnswer,
        ),
        (Trick::Endless, OAuthErrorKind::InvalidAnswer),
    ] {
        provider.ways().token = trick;
        let before = provider.asked("token");
        let asked = site.auth.oauth_tokens(&user_id, &registered).await;
        assert_kind(asked, kind);
        assert_eq!(provider.asked("token"), before + 1);
        assert_eq!(rows(&site, &user_id).await.len(), 1);
    }
    provider.ways().token = Trick::Silence;
    let impatient = impatient(&provider);
    let asked = site.auth.oauth_tokens(&user_id, &impatient).await;
    assert_kind(asked, OAuthErrorKind::Unreachable);
    assert_eq!(rows(&site, &user_id).await.len(), 1);

    // Those that wait for one that fails do not ask one after the other.
    let before = provider.asked("token");
    let gate = Arc::new(Semaphore::new(0));
    provider.ways().refresh.gate = Some(gate.clone());
    provider.ways().token = text(500, "text/plain", "");
    let asked = (0..20).map(|_| site.auth.oauth_tokens(&user_id, &registered).into_future());
    let open = async {
        until(|| provider.asked("token") > before).await;
        gate.add_permits(20);
    };
    let (all, ()) = tokio::join!(join_all(asked), open);
    for asked in all {
        assert_kind(asked, OAuthErrorKind::Unreachable);
    }
    assert!(provider.asked("token") < before + 10);

    provider.ways().token = Trick::None;
    let tokens = site.auth.oauth_tokens(&user_id, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().access_token(), "canary-access");
}

#[tokio::test]
async fn r70_a_permission_that_has_ended_deletes_the_tokens_until_the_next_sign_in() {
    let (provider, site, registered, user_id) = expired().await;
    let ask = async || site.auth.oauth_tokens(&user_id, &registered).await;
    for (number, trick) in [
        Trick::None,
        Trick::Text(
            200,
            "application/json",
            json!({ "error": "bad_refresh_token" }).to_string(),
        ),
        Trick::Text(
            401,
            "application/json",
            json!({ "error": "invalid_grant" }).to_string(),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        provider.ways().refresh.revoked = true;
        provider.ways().token = trick;
        let said = assert_kind(ask().await, OAuthErrorKind::Revoked);
        assert!(
            said.contains("sign in by the provider again"),
            "{number}: {said}"
        );
        assert!(rows(&site, &user_id).await.is_empty());
        assert!(ask().await.unwrap().is_none());
        provider.ways().token = Trick::None;
        provider.ways().refresh.revoked = false;
        provider.ways().now = site.clock.now();
        ada(&site, &provider).await;
        ask().await.unwrap().unwrap();
        site.clock.advance(HOUR);
    }
}

/// Another call, while the provider is asked to refresh.
async fn meanwhile<T>(
    provider: &Provider,
    (auth, user_id, registered): (&Auth, &UserId, &OAuthProvider),
    other: impl AsyncFnOnce() -> T,
) -> lucia::Result<Option<OAuthTokens>> {
    let gate = Arc::new(Semaphore::new(0));
    provider.ways().refresh.gate = Some(gate.clone());
    let asked = provider.asked("token");
    let doing = async {
        until(|| provider.asked("token") > asked).await;
        provider.ways().refresh.gate = None;
        other().await;
        gate.add_permits(1);
    };
    tokio::join!(auth.oauth_tokens(user_id, registered).into_future(), doing).0
}

#[tokio::test]
async fn r70_a_refresh_that_meets_a_sign_in_or_a_deletion_restores_nothing_old() {
    let (provider, site, registered, user_id) = expired().await;
    let of = (&site.auth, &user_id, &registered);
    let sign_in = async || {
        provider.ways().now = site.clock.now();
        ada(&site, &provider).await;
    };
    // Its refresh token is the newer one.
    let tokens = meanwhile(&provider, of, sign_in).await.unwrap().unwrap();
    assert_eq!(tokens.refresh_token(), Some("canary-refresh-1"));
    site.clock.advance(HOUR);
    assert_tokens(site.auth.oauth_tokens(&user_id, &registered).await, 2);

    // It gives none, and the one that it keeps is the one that is replaced now.
    site.clock.advance(HOUR);
    provider.ways().refresh.is_withheld = true;
    let tokens = meanwhile(&provider, of, async || {
        sign_in().await;
        provider.ways().refresh.is_withheld = false;
    });
    assert_tokens(tokens.await, 3);
    site.clock.advance(HOUR);
    assert_tokens(site.auth.oauth_tokens(&user_id, &registered).await, 4);

    site.clock.advance(HOUR);
    let tokens = meanwhile(&provider, of, async || {
        let deleting = site.auth.delete_oauth_tokens(&user_id, &registered);
        deleting.await.unwrap();
    });
    assert!(tokens.await.unwrap().is_none());
    assert!(rows(&site, &user_id).await.is_empty());

    sign_in().await;
    site.clock.advance(HOUR);
    let tokens = meanwhile(&provider, of, async || {
        site.auth.delete_user(&user_id).await.unwrap();
    });
    assert!(tokens.await.unwrap().is_none());
    assert!(rows(&site, &user_id).await.is_empty());
    assert!(!provider.ways().refresh.revoked);
}
