//! Futures that are dropped at every await.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lucia::{Auth, CodePurpose, Error, TokenPurpose};

use crate::support::{PASSWORD, Stage, on_each_store, sign_up, verified};

on_each_store![
    r58_a_use_dropped_at_any_await_uses_the_link_once_or_not_at_all,
    r61_a_try_dropped_at_any_await_is_counted_once_or_not_at_all,
    r25_a_sign_in_dropped_at_any_await_leaves_at_most_n,
    r49_a_password_change_dropped_at_any_await_happens_as_a_whole_or_not_at_all,
];

const NEW: &str = "another horse battery";
const SECOND: Duration = Duration::from_secs(1);

/// Drops a future at the await that it has reached when it was polled so often, if it is not ready
/// by then.
pub(crate) async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until a call that was dropped does nothing any more. On Postgres it has been sent by the
/// store's one connection before; SQLite's thread goes on to its end, in its turn to write.
pub(crate) async fn settled(auth: &Auth) {
    let deleted = auth.delete_expired_sessions().await;
    assert_eq!(deleted.unwrap(), 0);
}

/// No connection waits in the middle of a transaction. The store's one connection has answered
/// something since.
async fn assert_no_open_transaction(stage: &Stage) {
    const OPEN: &str = "SELECT count(*) FROM pg_stat_activity \
                        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";

    if stage.is_postgres() {
        assert_eq!(stage.value(OPEN).await.as_deref(), Some("0"));
    }
}

async fn r25_a_sign_in_dropped_at_any_await_leaves_at_most_n(stage: Stage) {
    let settings = stage.builder().await.max_sessions_per_user(2);
    let auth = settings.build().unwrap();
    let first = sign_up(&auth, "ada").await;
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    let key = key.unwrap();
    stage.clock.advance(SECOND);
    auth.create_session(&key).await.unwrap();
    for by_key in [true, false] {
        for polls in 1.. {
            stage.clock.advance(SECOND);
            let creation = match by_key {
                true => auth.create_session(&key),
                false => auth.create_session(&key.user_id),
            };
            let created = dropped_after(polls, creation.into_future()).await;
            settled(&auth).await;
            let alive = auth.user_sessions(&first.user_id).await.unwrap();
            assert_eq!(alive.len(), 2, "after {polls}: {alive:?}");
            assert_no_open_transaction(&stage).await;
            if let Some(created) = created {
                // SQLite's thread may be faster than the first look at it.
                assert!(polls > 1 || !stage.is_postgres(), "nothing was dropped");
                assert!(
                    alive
                        .iter()
                        .any(|info| info.id == created.as_ref().unwrap().id)
                );
                break;
            }
        }
    }
    assert_eq!(stage.count("user_session").await, 2);
}

async fn opens(auth: &Auth, name: &str, password: &str) -> bool {
    let opened = auth.verify_password(("username", name), password).await;
    opened.is_ok()
}

async fn r49_a_password_change_dropped_at_any_await_happens_as_a_whole_or_not_at_all(stage: Stage) {
    let auth = stage.auth().await;
    for polls in 1.. {
        let name = format!("user {polls}");
        let session = sign_up(&auth, &name).await;
        auth.create_session(&session.user_id).await.unwrap();
        let key = verified(&auth, &name).await;
        let change = auth.change_password(&session, &key, NEW);
        let changed = dropped_after(polls, change).await;
        settled(&auth).await;
        let alive = auth.user_sessions(&session.user_id).await.unwrap();
        let is_old = opens(&auth, &name, PASSWORD).await;
        let is_new = opens(&auth, &name, NEW).await;
        let is_kept = alive.iter().any(|info| info.id == session.id);
        let as_before = is_old && !is_new && alive.len() == 2 && is_kept;
        let as_after = !is_old && is_new && alive.len() == 1 && !is_kept;
        assert!(as_before || as_after, "after {polls}: {alive:?}");
        assert_no_open_transaction(&stage).await;
        if let Some(changed) = changed {
            // SQLite's thread may be faster than the first look at it.
            assert!(polls > 1 || !stage.is_postgres(), "nothing was dropped");
            assert!(as_after);
            assert_eq!(alive[0].id, changed.unwrap().id);
            break;
        }
    }
}

#[tokio::test]
async fn r25_a_connection_cut_at_any_statement_leaves_at_most_n() {
    let stage = Stage::postgres().await;
    let store = stage.pg_store().await;
    let auth = Auth::builder(store).max_sessions_per_user(1);
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    let last = sign_up(&auth, "ada").await;
    for statements in 0.. {
        stage.clock.advance(SECOND);
        stage.proxy().cut_after(statements);
        let created = auth.create_session(&last.user_id).await;
        stage.proxy().heal();
        let alive = auth.user_sessions(&last.user_id).await.unwrap();
        assert_eq!(alive.len(), 1, "{alive:?}");
        match created {
            Ok(created) => {
                assert_eq!(alive[0].id, created.id);
                break;
            }
            Err(Error::Unavailable(_)) => assert_eq!(alive[0].id, last.id),
            Err(other) => panic!("{other:?}"),
        }
    }
}

async fn r58_a_use_dropped_at_any_await_uses_the_link_once_or_not_at_all(stage: Stage) {
    const LINK: TokenPurpose = TokenPurpose::new("link");

    let auth = stage.auth().await;
    for polls in 1.. {
        let secret = auth.create_token(LINK, &()).await.unwrap();
        let used = dropped_after(polls, auth.use_token(LINK, secret.expose())).await;
        settled(&auth).await;
        assert_no_open_transaction(&stage).await;
        let again = auth.use_token(LINK, secret.expose()).await;
        if let Err(error) = &again {
            assert!(matches!(error, Error::InvalidOneTimeToken), "{error:?}");
        }
        if let Some(used) = used {
            used.unwrap();
            again.unwrap_err();
            return;
        }
    }
}

async fn r61_a_try_dropped_at_any_await_is_counted_once_or_not_at_all(stage: Stage) {
    const CODE: CodePurpose = CodePurpose::new("code");

    let auth = stage.auth().await;
    for polls in 1.. {
        let code = auth.create_code(CODE, "ada", &()).await.unwrap();
        let wrong = if code.expose() == "000000" {
            "000001"
        } else {
            "000000"
        };
        let tried = dropped_after(polls, auth.use_code(CODE, "ada", wrong)).await;
        settled(&auth).await;
        assert_no_open_transaction(&stage).await;
        let left = stage.value("SELECT tries_left FROM one_time_token").await;
        let left = left.unwrap();
        assert!(
            left == "4" || left == "5" && tried.is_none(),
            "{left} after {polls}"
        );
        if let Some(tried) = tried {
            assert!(
                matches!(tried, Err(Error::InvalidOneTimeToken)),
                "{tried:?}"
            );
            return;
        }
    }
}
