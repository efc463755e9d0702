//! Where no secret of a link or code may be seen: in the database, `Debug` output and logs.

use lucia::store::TokenRow;
use lucia::{CodePurpose, TokenPurpose};
use lucia_tests::watch;

use super::assert_refused;
use crate::support::{Stage, Told, on_each_store, request_to, sign_up};

on_each_store![
    r58_nothing_in_the_database_is_a_secret_or_a_code,
    r46_links_and_codes_show_no_secret,
];

const DATA: &str = "canary-data-of-a-link-7313";
const TEXT: TokenPurpose<String> = TokenPurpose::new("text");
const CODE: CodePurpose<String> = CodePurpose::new("code");

async fn r58_nothing_in_the_database_is_a_secret_or_a_code(stage: Stage) {
    let auth = stage.auth().await;
    let secret = auth.create_token(TEXT, "").await.unwrap();
    let code = auth.create_code(CODE, "ada", "").await.unwrap();
    let dump = stage.dump().await;
    assert!(
        dump.iter().any(|value| value.starts_with("$argon2id$")),
        "{dump:?}"
    );
    for value in dump {
        assert!(!value.contains(secret.expose()) && value != code.expose());
        for part in [&value[..], &value[..value.len().min(40)]] {
            assert_refused(auth.use_token(TEXT, part).await);
        }
    }
    auth.use_token(TEXT, secret.expose()).await.unwrap();
    auth.use_code(CODE, "ada", code.expose()).await.unwrap();
}

async fn r46_links_and_codes_show_no_secret(stage: Stage) {
    let told = Told::default();
    let auth = stage.builder().await.on_event(told.hook());
    let auth = auth.build().unwrap();
    // Everything that is logged meanwhile.
    let log = watch([""]);
    let secret = auth.create_token(TEXT, DATA).await.unwrap();
    let code = auth.create_code(CODE, "ada", DATA).await.unwrap();
    let hash = stage
        .value("SELECT hashed_code FROM one_time_token WHERE hashed_code IS NOT NULL")
        .await
        .unwrap();
    let changed = TokenPurpose::<u32>::new("text");
    assert_refused(auth.check_token(changed, secret.expose()).await);
    assert_refused(
        auth.use_code(CODE, "ada", "000000")
            .await
            .or(Err(lucia::Error::InvalidOneTimeToken)),
    );
    let checked = auth.check_token(TEXT, secret.expose()).await.unwrap();
    let used = auth.use_token(TEXT, secret.expose()).await.unwrap();
    let by_code = auth.use_code(CODE, "ada", code.expose()).await.unwrap();
    sign_up(&auth, "ada").await;
    let request = request_to(&auth);
    let link = request.create_sign_in_link(("username", "ada")).await;
    let link = link.unwrap().unwrap();
    let sign_in_code = request.create_sign_in_code(("username", "ada")).await;
    let sign_in_code = sign_in_code.unwrap().unwrap();
    let logged = log.lines();
    drop(log);
    assert!(
        logged
            .iter()
            .any(|line| line.contains("one-time code used"))
    );

    let mut row = TokenRow::new("id".to_owned(), "text".to_owned(), now(), now());
    row.data = DATA.to_owned();
    row.hashed_code = Some(hash.clone());
    let events = told.events();
    let kinds: Vec<_> = events.iter().map(|event| &event.kind).collect();
    let kinds = serde_json::to_string(&kinds).unwrap();
    assert!(kinds.contains("one_time_code_used"), "{kinds}");
    let shown = [
        format!("{events:?} {events:#?} {kinds}"),
        format!("{secret:?} {secret:#?} {code:?} {code:#?}"),
        format!("{link:?} {link:#?} {sign_in_code:?} {sign_in_code:#?}"),
        format!("{checked:?} {used:#?} {by_code:?} {row:?}"),
        format!("{:?}", auth.create_token(TEXT, DATA)),
        format!("{:?}", auth.create_code(CODE, "ada", DATA)),
    ];
    for text in shown.iter().chain(&logged) {
        for hidden in [secret.expose(), link.token.expose(), DATA, &hash] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
    for text in shown {
        for code in [&code, &sign_in_code.code] {
            assert!(!text.contains(code.expose()), "{text}");
        }
    }
}

fn now() -> lucia::store::UnixMillis {
    lucia::store::UnixMillis(0)
}
