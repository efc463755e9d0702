//! Guessing passwords by spellings of a name that only the database takes for one.

use std::time::Duration;

use lucia::Auth;

use super::framework::{Routes, front_page, serve};
use crate::support::{PASSWORD, Reply, Site, Stage, sign_up};

const WRONG: &str = "wrong horse battery";
const PERIOD: Duration = Duration::from_secs(15 * 60);

/// Danish, with a user of the name `åse`, in front of two processes.
async fn danish() -> (Stage, [Site; 2]) {
    let stage = Stage::postgres().await;
    for sql in [
        "CREATE COLLATION folded \
         (provider = icu, locale = 'da-u-ks-level1', deterministic = false)",
        "ALTER TABLE user_key ALTER COLUMN id TYPE TEXT COLLATE folded",
    ] {
        stage.execute(sql).await;
    }
    let routes = || -> Routes { front_page() };
    let sites = [
        serve(auth(&stage).await, routes()).await,
        serve(auth(&stage).await, routes()).await,
    ];
    sign_up(&sites[0].auth, "\u{e5}se").await;
    (stage, sites)
}

async fn auth(stage: &Stage) -> Auth {
    let settings = stage.builder().await.sign_in_limit(5, PERIOD);
    settings.build().unwrap()
}

async fn login(site: &Site, name: &str, password: &str) -> Reply {
    let form = [("username", name), ("password", password)];
    let mut reply = site.browser().post("/login", &form).await;
    reply.headers.remove("date");
    reply
}

#[tokio::test]
async fn r34_a_login_form_lets_no_spelling_guess_more_often() {
    let (stage, sites) = danish().await;
    for names in [["\u{e5}se", "aase"], ["aase", "\u{c5}SE"], ["AASE", "aase"]] {
        for (guesses, opens) in [(4, true), (5, false), (20, false)] {
            for number in 0..guesses {
                let reply = login(&sites[number / 2 % 2], names[number % 2], WRONG).await;
                let is_early = number < 5;
                assert!(
                    reply.status == 401 || !is_early && reply.status == 429,
                    "{reply:?}"
                );
            }
            for name in names {
                let reply = login(&sites[1], name, PASSWORD).await;
                assert_eq!(reply.status < 400, opens, "{name}: {reply:?}");
                assert_eq!(reply.set_cookies().is_empty(), !opens, "{name}: {reply:?}");
            }
            stage.clock.advance(PERIOD);
        }
    }
}

#[tokio::test]
async fn r38_a_spelling_whose_key_is_used_up_is_answered_as_an_unknown_name() {
    let (stage, sites) = danish().await;
    for _ in 0..5 {
        let reply = login(&sites[0], "aase", WRONG).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    // With the right password as well, to the end.
    let mut statuses = Vec::new();
    for number in 0..7 {
        let site = &sites[number % 2];
        let answer = async |name, password| {
            stage.proxy().statements();
            let reply = login(site, name, password).await;
            let statements = stage.proxy().statements();
            let sql: Vec<_> = statements.into_iter().map(|one| one.sql).collect();
            (reply.status, reply.headers, reply.body, sql)
        };
        let password = [PASSWORD, WRONG][number / 2 % 2];
        let full = answer("\u{e5}se", password).await;
        assert_eq!(full, answer("nobody", password).await, "{number}");
        statuses.push(full.0);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
}
