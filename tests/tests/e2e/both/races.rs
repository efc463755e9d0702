//! Many requests at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::framework::{front_page, serve};
use crate::support::{Stage, on_each_store, sign_up};

on_each_store![r50_a_hundred_parallel_requests_on_an_idle_session_are_all_let_in_with_one_token,];

async fn r50_a_hundred_parallel_requests_on_an_idle_session_are_all_let_in_with_one_token(
    stage: Stage,
) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, front_page()).await;
    let browser = site.browser_of(&session);
    stage
        .clock
        .set(session.active_expires + std::time::Duration::from_secs(1));
    let replies = join_all((0..100).map(|_| browser.get("/me"))).await;
    let mut tokens = BTreeSet::new();
    for reply in &replies {
        assert_eq!(reply.status, 200, "{reply:?}");
        for cookie in reply.set_cookies() {
            tokens.insert(cookie.split(';').next().unwrap().to_owned());
        }
    }
    let ours = format!("__Host-auth_session={}", session.token().expose());
    assert_eq!(tokens, BTreeSet::from([ours]));
    assert_eq!(stage.count("user_session").await, 1);
}
