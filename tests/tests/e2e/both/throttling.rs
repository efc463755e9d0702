//! Guessing passwords: how often, from where, and what it does to those who only mistyped.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, PasswordOptions};
use serde::Deserialize;

use super::framework::{Data, Form, Response, Routes, answer, auth_request, serve};
use crate::support::{PASSWORD, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    r34_after_ten_failures_an_attempt_is_429_and_says_when_to_come_back,
    r34_an_attempt_too_many_is_refused_before_anything_is_hashed,
    r34_the_owner_gets_in_from_another_address,
    r34_who_is_refused_waits_no_longer_for_trying_again,
    r34_a_success_takes_back_its_own_attempt_and_no_failure,
    r34_good_sign_ins_with_a_key_of_the_same_spelling_buy_no_guesses,
    r34_good_sign_ins_at_the_same_time_as_guesses_buy_none,
    r34_somebody_unknown_is_counted_and_told_the_same,
    r34_an_attempt_that_found_no_place_to_be_hashed_is_not_counted,
    r34_a_flood_that_is_too_much_for_the_hashing_leaves_no_counts,
    r34_one_key_is_not_counted_for_another,
    r35_a_hundred_failures_at_once_count_as_a_hundred_in_all_processes_together,
    r36_ipv6_is_counted_by_its_first_64_bits_and_mapped_ipv4_as_ipv4,
];

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";
const WRONG: &str = "wrong horse battery";
const SECOND: Duration = Duration::from_secs(1);
const PERIOD: Duration = Duration::from_secs(15 * 60);

#[derive(Deserialize)]
struct Attempt {
    username: String,
    password: String,
    /// What a proxy in front would say.
    address: IpAddr,
}

#[auth_request]
async fn login(auth: Data<Auth>, Form(form): Form<Attempt>) -> lucia::Result<Response> {
    let key = auth
        .verify_password(("username", &form.username), &form.password)
        .limit_by(form.address)
        .await?;
    let session = auth.create_session(&key).await?;
    auth_request.set_session(Some(&session));
    Ok(answer(204, &[], ""))
}

async fn site(auth: Auth) -> Site {
    serve(auth, Routes::default().post("/login", login)).await
}

async fn ada(stage: &Stage) -> Site {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    site(auth).await
}

async fn attempt(site: &Site, username: &str, password: &str, address: &str) -> Reply {
    let form = [
        ("username", username),
        ("password", password),
        ("address", address),
    ];
    site.browser().post("/login", &form).await
}

/// So many attempts of Ada with a wrong password, each of which is looked at.
async fn fail(site: &Site, count: usize, address: &str) {
    for _ in 0..count {
        let reply = attempt(site, "ada", WRONG, address).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
}

async fn r34_after_ten_failures_an_attempt_is_429_and_says_when_to_come_back(stage: Stage) {
    let site = ada(&stage).await;
    fail(&site, 10, HERE).await;
    // Also with the right password: it would tell a guesser that it is right.
    for password in [WRONG, PASSWORD] {
        let reply = attempt(&site, "ada", password, HERE).await;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.header("retry-after"), Some("900"));
        assert_eq!(reply.body, "Too many attempts.");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
    }
    stage.clock.advance(PERIOD - SECOND - SECOND / 2);
    let reply = attempt(&site, "ada", PASSWORD, HERE).await;
    let waits = (reply.status, reply.header("retry-after"));
    assert_eq!(waits, (429, Some("2")), "rounded up");
    stage.clock.advance(SECOND + SECOND / 2);
    fail(&site, 9, HERE).await;
    assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 204);
}

async fn r34_an_attempt_too_many_is_refused_before_anything_is_hashed(stage: Stage) {
    // All but one of those that are hashed at once find the only place taken.
    let passwords = PasswordOptions::new().at_once(1).waiting(0);
    let auth = stage.builder().await.passwords(passwords).build().unwrap();
    sign_up(&auth, "ada").await;
    let site = site(auth).await;
    fail(&site, 10, HERE).await;
    let at_once = async |address| {
        let attempts = (0..20).map(|_| attempt(&site, "ada", PASSWORD, address));
        let replies = join_all(attempts).await;
        replies.iter().map(|reply| reply.status).collect::<Vec<_>>()
    };
    assert_eq!(at_once(HERE).await, [429; 20]);
    assert!(at_once(ELSEWHERE).await.contains(&503));
}

async fn r34_the_owner_gets_in_from_another_address(stage: Stage) {
    let site = ada(&stage).await;
    fail(&site, 10, HERE).await;
    assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 429);
    assert_eq!(attempt(&site, "ada", PASSWORD, ELSEWHERE).await.status, 204);
    // Which is no help to whoever is here.
    assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 429);
}

async fn r34_who_is_refused_waits_no_longer_for_trying_again(stage: Stage) {
    let site = ada(&stage).await;
    fail(&site, 10, HERE).await;
    for left in (1..=15).rev() {
        let reply = attempt(&site, "ada", PASSWORD, HERE).await;
        let seconds = (left * 60).to_string();
        assert_eq!(reply.header("retry-after"), Some(seconds.as_str()));
        stage.clock.advance(60 * SECOND);
    }
    assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 204);
}

async fn r34_a_success_takes_back_its_own_attempt_and_no_failure(stage: Stage) {
    let site = ada(&stage).await;
    // A success alone leaves nothing, however often it happens.
    for _ in 0..12 {
        assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 204);
        assert_eq!(stage.count("sign_in_attempt").await, 0);
    }
    for _ in 0..9 {
        fail(&site, 1, HERE).await;
        assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 204);
    }
    let counted = stage.value("SELECT attempts FROM sign_in_attempt").await;
    assert_eq!(counted.as_deref(), Some("9"));
    fail(&site, 1, HERE).await;
    assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 429);
}

/// Keys of different users that are counted together, the guesser's own first.
const SAME_SPELLING: [(&str, &str); 6] = [
    ("Ada", "ada"),
    ("\u{ff21}\u{ff44}\u{ff41}", "ada"),
    ("\u{fb01}nn", "finn"),
    ("E\u{301}milie", "\u{e9}milie"),
    (
        "\u{3a3}o\u{3c6}\u{3bf}\u{3c2}",
        "\u{3c3}o\u{3c6}\u{3bf}\u{3c3}",
    ),
    ("stra\u{df}e", "STRASSE"),
];

/// Two sites in front of one database, each with a store of its own, as two processes have.
async fn two_sites(stage: &Stage) -> [Site; 2] {
    let passwords = || PasswordOptions::new().waiting(100);
    let one = stage.builder().await.passwords(passwords());
    let other = stage.builder().await.passwords(passwords());
    [
        site(one.build().unwrap()).await,
        site(other.build().unwrap()).await,
    ]
}

async fn r34_good_sign_ins_with_a_key_of_the_same_spelling_buy_no_guesses(stage: Stage) {
    let sites = two_sites(&stage).await;
    for (own, victim) in SAME_SPELLING {
        for name in [own, victim] {
            sign_up(&sites[0].auth, name).await;
        }
        let mut guesses = 0;
        for number in 0..25 {
            let guess = attempt(&sites[number % 2], victim, WRONG, HERE).await;
            guesses += usize::from(guess.status == 401);
            // On the same site, and on the other one.
            let own = attempt(&sites[number / 2 % 2], own, PASSWORD, HERE).await;
            assert!(matches!(own.status, 204 | 429), "{own:?}");
        }
        assert_eq!(guesses, 10, "{own} guesses at {victim}");
        let owner = attempt(&sites[0], victim, PASSWORD, ELSEWHERE).await;
        assert_eq!(owner.status, 204, "{victim}");
        // So that the next pair begins anew where it is counted together with this one.
        stage.clock.advance(PERIOD);
        for name in [own, victim] {
            let key = sites[0]
                .auth
                .key(("username", name))
                .await
                .unwrap()
                .unwrap();
            sites[0].auth.delete_user(&key.user_id).await.unwrap();
        }
    }
}

async fn r34_good_sign_ins_at_the_same_time_as_guesses_buy_none(stage: Stage) {
    let sites = two_sites(&stage).await;
    for name in ["Ada", "ada"] {
        sign_up(&sites[0].auth, name).await;
    }
    let mut guesses = 0;
    for _ in 0..3 {
        let attempts = (0..32).map(|number| {
            let (name, password) = match number % 4 {
                0 | 3 => ("ada", WRONG),
                _ => ("Ada", PASSWORD),
            };
            attempt(&sites[number % 2], name, password, HERE)
        });
        for reply in join_all(attempts).await {
            assert!(matches!(reply.status, 204 | 401 | 429), "{reply:?}");
            guesses += usize::from(reply.status == 401);
        }
    }
    assert!(guesses <= 10, "{guesses} guesses");
    // What the good sign-ins took is free again, and no more than that.
    for _ in guesses..10 {
        assert_eq!(attempt(&sites[0], "ada", WRONG, HERE).await.status, 401);
    }
    assert_eq!(attempt(&sites[1], "ada", WRONG, HERE).await.status, 429);
}

async fn r34_somebody_unknown_is_counted_and_told_the_same(stage: Stage) {
    let site = ada(&stage).await;
    let long = "x".repeat(300);
    let mut all = Vec::new();
    for username in ["ada", "nobody", &long] {
        let mut replies = Vec::new();
        stage.probe.calls();
        for _ in 0..12 {
            let mut reply = attempt(&site, username, WRONG, HERE).await;
            reply.headers.remove("date");
            replies.push((reply.status, reply.headers, reply.body));
        }
        assert_eq!(stage.probe.calls(), ["count_attempt"; 12], "{username}");
        all.push(replies);
    }
    assert_eq!(all[0][9].0, 401);
    assert_eq!(all[0][10].0, 429);
    assert!(all.iter().all(|one| *one == all[0]), "{all:#?}");
}

async fn r34_an_attempt_that_found_no_place_to_be_hashed_is_not_counted(stage: Stage) {
    let passwords = PasswordOptions::new().at_once(1).waiting(0);
    let auth = stage.builder().await.passwords(passwords).build().unwrap();
    sign_up(&auth, "ada").await;
    let site = site(auth).await;
    let attempts = (0..10).map(|_| attempt(&site, "ada", WRONG, HERE));
    let replies = join_all(attempts).await;
    let failures = replies.iter().filter(|reply| reply.status == 401).count();
    let busy = replies.iter().filter(|reply| reply.status == 503).count();
    assert!(busy > 0 && failures + busy == 10, "{failures} and {busy}");
    fail(&site, 10 - failures, HERE).await;
    assert_eq!(attempt(&site, "ada", WRONG, HERE).await.status, 429);
}

async fn r34_a_flood_that_is_too_much_for_the_hashing_leaves_no_counts(stage: Stage) {
    let passwords = PasswordOptions::new().at_once(1).waiting(0);
    let auth = stage.builder().await.passwords(passwords).build().unwrap();
    let site = site(auth).await;
    let names: Vec<_> = (0..20).map(|number| format!("nobody {number}")).collect();
    let attempts = names.iter().map(|name| attempt(&site, name, WRONG, HERE));
    let replies = join_all(attempts).await;
    let failures = replies.iter().filter(|reply| reply.status == 401).count();
    assert!(failures < 20, "none was too much");
    assert_eq!(
        stage.count("sign_in_attempt").await,
        2 * u64::try_from(failures).unwrap(),
        "each failure is counted in two places"
    );
}

async fn r34_one_key_is_not_counted_for_another(stage: Stage) {
    let site = ada(&stage).await;
    sign_up(&site.auth, "bob").await;
    fail(&site, 10, HERE).await;
    assert_eq!(attempt(&site, "bob", PASSWORD, HERE).await.status, 204);
    // Nor does a success of one's own help with the key of another.
    assert_eq!(attempt(&site, "ada", PASSWORD, HERE).await.status, 429);
}

async fn r35_a_hundred_failures_at_once_count_as_a_hundred_in_all_processes_together(stage: Stage) {
    let mut sites = Vec::new();
    for _ in 0..2 {
        // With places to wait for all of them.
        let passwords = PasswordOptions::new().waiting(100);
        let auth = stage.builder().await.passwords(passwords);
        let auth = auth.sign_in_limit(100, PERIOD).build().unwrap();
        sites.push(site(auth).await);
    }
    sign_up(&sites[0].auth, "ada").await;
    let attempts = (0..120).map(|number| attempt(&sites[number % 2], "ada", WRONG, HERE));
    let replies = join_all(attempts).await;
    let count = |status| {
        let with = replies.iter().filter(|reply| reply.status == status);
        with.count()
    };
    assert_eq!((count(401), count(429)), (100, 20));
    let counted = stage.value("SELECT attempts FROM sign_in_attempt").await;
    assert_eq!(counted.as_deref(), Some("100"));
}

async fn r36_ipv6_is_counted_by_its_first_64_bits_and_mapped_ipv4_as_ipv4(stage: Stage) {
    let site = ada(&stage).await;
    for host in 0..10 {
        fail(&site, 1, &format!("2001:db8:0:1::{host}")).await;
    }
    for (address, status) in [
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", 429),
        ("2001:db8:0:2::1", 401),
    ] {
        let reply = attempt(&site, "ada", WRONG, address).await;
        assert_eq!(reply.status, status, "{address}");
    }
    fail(&site, 10, HERE).await;
    for (address, status) in [("::ffff:192.0.2.1", 429), ("::ffff:192.0.2.3", 401)] {
        let reply = attempt(&site, "ada", WRONG, address).await;
        assert_eq!(reply.status, status, "{address}");
    }
}
