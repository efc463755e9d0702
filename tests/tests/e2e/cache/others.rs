//! What others change: another process, somebody with `psql`, a Lucia v2.

use std::time::Duration;

use lucia::{Auth, Result, Session, StoredIds};
use lucia::{CacheOptions, PgStore};

use crate::support::{
    Caching, PASSWORD, Profile, Source, Stage, actix, eventually, on_each_source, sign_up, verified,
};

on_each_source!(
    r54_what_another_process_revokes_is_seen_within_a_second,
    r54_what_is_done_by_hand_is_seen_within_a_second,
    a_change_that_is_rolled_back_revokes_nothing,
    r54_a_user_whom_another_process_changes_is_seen_so_within_a_second,
    r54_a_user_with_an_id_of_any_text_is_told_apart,
    r54_a_user_whose_id_is_filled_up_with_blanks_is_told_of,
    r54_what_ends_beside_lucia_v2_is_seen_and_no_notification_tells_a_token,
    what_nobody_keeps_is_not_told,
);

/// The bound of R54. On a machine that does nothing else, it is milliseconds.
/// It takes milliseconds, and a minute where nobody tells of a change. How many milliseconds it takes is
/// not for a test to say, on machines that do other things as well.
const SOON: Duration = Duration::from_secs(10);

/// Does something to a session that the cache of another process has, and waits until it has seen
/// it.
async fn is_seen(
    source: Source,
    what: &str,
    change: impl AsyncFnOnce(&Auth, &Session) -> Result<()>,
) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    // Without a cache, by connections of its own.
    let elsewhere = stage.auth().await;
    let session = sign_up(&elsewhere, "ada").await;
    let bystander = sign_up(&elsewhere, "bob").await;
    caching.remember(&stage, &session).await;
    caching.remember(&stage, &bystander).await;

    change(&elsewhere, &session).await.unwrap();
    let seen = eventually(async || !caching.look(&stage, &session).await.0).await;
    assert!(seen < SOON, "{what}: {seen:?}");
    for _ in 0..20 {
        assert!(
            !caching.look(&stage, &session).await.0,
            "{what}: it is back"
        );
    }
    // Nobody else is asked for because of that.
    assert_eq!(caching.look(&stage, &bystander).await, (true, 0), "{what}");
}

async fn r54_what_another_process_revokes_is_seen_within_a_second(source: Source) {
    is_seen(source, "log-out", async |auth, session| {
        auth.invalidate_session(&session.id).await
    })
    .await;
    is_seen(source, "log-out everywhere", async |auth, session| {
        auth.invalidate_user_sessions(&session.user_id).await
    })
    .await;
    is_seen(source, "rotation", async |auth, session| {
        auth.rotate_session(session).await.map(drop)
    })
    .await;
    is_seen(source, "user deleted", async |auth, session| {
        auth.delete_user(&session.user_id).await
    })
    .await;
    is_seen(source, "password changed", async |auth, session| {
        let new = "another horse battery";
        let key = verified(auth, "ada").await;
        let changed = auth.change_password(session, &key, new);
        changed.await.map(drop)
    })
    .await;
    is_seen(source, "password reset", async |auth, _| {
        let new = "another horse battery";
        auth.reset_password(("username", "ada"), new)
            .await
            .map(drop)
    })
    .await;
    is_seen(source, "replaced", async |auth, session| {
        let replaced = auth.create_session(&session.user_id).replace(Some(session));
        replaced.await.map(drop)
    })
    .await;
}

/// Runs SQL past every store, and waits until the cache has seen that all sessions are gone.
async fn all_gone(source: Source, sql: &str) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    let sql = sql.replace("$token", session.token().expose());
    stage.execute(&sql).await;
    let seen = eventually(async || !caching.look(&stage, &session).await.0).await;
    assert!(seen < SOON, "{sql}: {seen:?}");
}

async fn r54_what_is_done_by_hand_is_seen_within_a_second(source: Source) {
    for sql in [
        "DELETE FROM user_session",
        "TRUNCATE user_session",
        "TRUNCATE auth_user CASCADE",
        "UPDATE user_session SET id = repeat('0', 64)",
        "UPDATE user_session SET idle_expires = 0, active_expires = 0",
        "INSERT INTO user_session SELECT * FROM user_session \
         ON CONFLICT (id) DO UPDATE SET idle_expires = 0, active_expires = 0",
        "MERGE INTO user_session AS s USING auth_user AS u ON u.id = s.user_id \
         WHEN MATCHED THEN DELETE",
        // By reference, from a table of the application's.
        "ALTER TABLE user_session DROP CONSTRAINT user_session_user_id_fkey, \
         ADD FOREIGN KEY (user_id) REFERENCES auth_user (id) ON DELETE CASCADE; \
         DELETE FROM user_key; DELETE FROM auth_user",
        // More at once than are named one by one.
        "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
             SELECT lpad(n::TEXT, 64, '0'), auth_user.id, 0, 0 \
             FROM generate_series(1, 10001) AS n, auth_user; \
         DELETE FROM user_session",
        // By several notifications.
        "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
             SELECT lpad(n::TEXT, 64, '0'), auth_user.id, 0, 0 \
             FROM generate_series(1, 250) AS n, auth_user; \
         DELETE FROM user_session",
        // By somebody with another search path.
        "SET search_path = pg_catalog; DELETE FROM public.user_session",
    ] {
        all_gone(source, sql).await;
    }
}

async fn a_change_that_is_rolled_back_revokes_nothing(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    stage
        .execute("BEGIN; DELETE FROM user_session; ROLLBACK")
        .await;
    assert!(caching.look(&stage, &session).await.0);
}

async fn r54_a_user_whom_another_process_changes_is_seen_so_within_a_second(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    let elsewhere = stage.auth().await;
    let session = sign_up(&elsewhere, "ada").await;
    let site = actix::serve(caching.auth.clone(), actix::front_page()).await;
    let browser = site.browser_of(&session);
    for name in ["grace", "Käthe ✓"] {
        caching.remember(&stage, &session).await;
        let profile = Profile {
            username: name.to_owned(),
        };
        let changed = elsewhere.update_user_attributes::<Profile>(&session.user_id, &profile);
        changed.await.unwrap();
        let greeting = format!("Hello, {name}!");
        let seen = eventually(async || browser.get("/me").await.body == greeting).await;
        assert!(seen < SOON, "{seen:?}");
        for _ in 0..20 {
            assert_eq!(browser.get("/me").await.body, greeting);
        }
    }
}

async fn r54_a_user_with_an_id_of_any_text_is_told_apart(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    for id in ["a,b", "*", "u", "Käthe ✓ \\ ' \"", &"x".repeat(255)] {
        let profile = Profile {
            username: id.to_owned(),
        };
        let new_user = lucia::NewUser::with_password(("username", id), PASSWORD);
        let new_user = new_user.id(id.parse().unwrap()).attributes(&profile);
        let user = caching.auth.create_user(new_user).await.unwrap();
        let session = caching.auth.create_session(&user.id).await.unwrap();
        caching.remember(&stage, &session).await;
        // Nothing but the user's row changes.
        let sql = format!(
            "UPDATE auth_user SET username = 'new ' || username WHERE id = {}",
            literal(id)
        );
        stage.execute(&sql).await;
        eventually(async || {
            let found = lucia::store::Store::session_and_user(&caching.store, &session.id);
            let (_, user) = found.await.unwrap().unwrap();
            user.attributes.contains("\"new ")
        })
        .await;
    }
}

async fn r54_a_user_whose_id_is_filled_up_with_blanks_is_told_of(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    stage
        .execute(
            "ALTER TABLE user_key DROP CONSTRAINT user_key_user_id_fkey; \
             ALTER TABLE user_session DROP CONSTRAINT user_session_user_id_fkey; \
             ALTER TABLE one_time_token DROP CONSTRAINT one_time_token_user_id_fkey; \
             ALTER TABLE auth_user ALTER id TYPE CHAR(40); \
             ALTER TABLE user_key ALTER user_id TYPE CHAR(40); \
             ALTER TABLE user_session ALTER user_id TYPE CHAR(40)",
        )
        .await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    stage
        .execute("UPDATE auth_user SET username = 'grace'")
        .await;
    let seen = eventually(async || {
        let found = lucia::store::Store::session_and_user(&caching.store, &session.id);
        let (_, user) = found.await.unwrap().unwrap();
        user.attributes.contains("grace")
    })
    .await;
    assert!(seen < SOON, "{seen:?}");
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn r54_what_ends_beside_lucia_v2_is_seen_and_no_notification_tells_a_token(source: Source) {
    for ids in [StoredIds::PlainTokens, StoredIds::HashedOnUse] {
        let stage = Stage::postgres().await;
        let builder = PgStore::builder().stored_ids(ids);
        let caching = Caching::with_source(source, &stage, builder, CacheOptions::new()).await;
        let session = sign_up(&caching.auth, "ada").await;
        // As Lucia would have stored it.
        let token = session.token().expose().to_owned();
        stage
            .execute(&format!("UPDATE user_session SET id = '{token}'"))
            .await;
        caching.remember(&stage, &session).await;

        let told = overheard(source, &stage, "DELETE FROM user_session").await;
        assert_eq!(told, [format!("s{}", session.id)]);
        let seen = eventually(async || !caching.look(&stage, &session).await.0).await;
        assert!(seen < SOON, "{ids:?}: {seen:?}");
    }
}

/// What is told of sessions because of this SQL.
async fn overheard(source: Source, stage: &Stage, sql: &str) -> Vec<String> {
    match source {
        Source::Listen => notified(stage, sql).await,
        Source::Poll => recorded(stage, sql).await,
    }
}

async fn recorded(stage: &Stage, sql: &str) -> Vec<String> {
    let all = "SELECT change FROM lucia_change WHERE swept IS NULL ORDER BY xact";
    let before = stage.rows(all).await.len();
    stage.execute(sql).await;
    let rows = stage.rows(all).await.into_iter().skip(before);
    rows.map(|mut row| row.remove(0).unwrap()).collect()
}

async fn notified(stage: &Stage, sql: &str) -> Vec<String> {
    use std::future::poll_fn;

    use tokio_postgres::{AsyncMessage, NoTls};

    let url = stage.database().url();
    let (client, mut connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    let mut told = Vec::new();
    let asked = async {
        let listen = "DO $$ BEGIN EXECUTE 'LISTEN lucia_' || 'user_session'::REGCLASS::OID; END $$";
        client.batch_execute(listen).await.unwrap();
        client.batch_execute(sql).await.unwrap();
        // Whatever that sent has come with its answer.
    };
    let mut asked = std::pin::pin!(asked);
    poll_fn(|context| {
        while let std::task::Poll::Ready(message) = connection.poll_message(context) {
            if let AsyncMessage::Notification(notification) = message.unwrap().unwrap() {
                told.push(notification.payload().to_owned());
            }
        }
        asked.as_mut().poll(context)
    })
    .await;
    told
}

async fn what_nobody_keeps_is_not_told(source: Source) {
    let stage = Stage::postgres().await;
    let caching = Caching::by(source, &stage).await;
    sign_up(&caching.auth, "ada").await;
    for sql in [
        "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
         SELECT repeat('1', 64), id, 0, 0 FROM auth_user",
        "DELETE FROM user_session WHERE FALSE",
    ] {
        assert_eq!(
            overheard(source, &stage, sql).await,
            Vec::<String>::new(),
            "{sql}"
        );
    }
}
