//! What hooks are told of the calls of an `Auth`.

use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use lucia::{
    Auth, CodePurpose, Error, EventKind, NewKey, NewUser, NoAttributes, Session, TokenPurpose,
    UserId, VerifiedKey,
};
use serde_json::json;

use crate::drops::{dropped_after, settled};
use crate::support::{
    PASSWORD, Profile, Stage, Told, name, on_each_store, request_to, sign_up, verified,
};

on_each_store![
    r69_each_call_tells_what_it_has_done_once,
    r69_sessions_in_excess_are_told,
    r69_an_event_has_its_time_and_no_client_where_no_request_is_known,
    r69_a_call_dropped_at_any_await_tells_once_what_it_may_have_done,
    r69_an_attempt_dropped_at_any_await_is_told_once,
    r69_an_outage_in_a_change_is_told_as_an_interruption,
    r69_a_hook_that_panics_fails_no_call_and_the_log_says_so,
    r69_a_slow_hook_holds_up_its_own_call_alone,
    r69_a_hook_may_call_the_auth_that_calls_it,
];

const NEW: &str = "another horse battery";
const WRONG: &str = "wrong horse battery";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const LINK: TokenPurpose = TokenPurpose::new("link");
const CODE: CodePurpose = CodePurpose::new("code");

struct Scene {
    auth: Auth,
    told: Told,
}

impl Scene {
    async fn of(stage: &Stage) -> Self {
        let told = Told::default();
        let builder = stage.builder().await.on_event(told.hook());
        let auth = builder.build().unwrap();
        Self { auth, told }
    }

    #[track_caller]
    fn told(&self, expected: &[&str]) {
        assert_eq!(self.told.names(), expected);
    }

    async fn sign_up(&self, name: &str) -> Session {
        let session = sign_up(&self.auth, name).await;
        self.told(&["user_created", "signed_in"]);
        session
    }

    async fn verified(&self, name: &str) -> VerifiedKey {
        let key = verified(&self.auth, name).await;
        self.told(&["key_verified"]);
        key
    }
}

fn new_user(name: &str) -> NewUser<'_, Profile> {
    NewUser::with_password(("username", name), PASSWORD)
        .attributes(&json!({ "username": name }))
        .returning()
}

async fn r69_each_call_tells_what_it_has_done_once(stage: Stage) {
    let scene = &Scene::of(&stage).await;
    users_and_keys(scene).await;
    passwords(scene).await;
    sessions(scene, &stage).await;
    one_time_tokens(scene, &stage).await;
    the_end_of_a_user(scene).await;
}

async fn users_and_keys(scene: &Scene) {
    let auth = &scene.auth;
    let ada = scene.sign_up("ada").await.user_id.clone();
    let key = ("username", "ada");
    // What is refused has not happened.
    auth.create_user(new_user("ada")).await.unwrap_err();
    let weak = NewUser::with_password(("username", "eve"), "short");
    auth.create_user(weak).await.unwrap_err();
    scene.told(&[]);

    let by_provider = NewKey::without_password(("github", "1815"));
    auth.create_key(&ada, by_provider.clone()).await.unwrap();
    scene.told(&["key_created"]);
    auth.create_key(&ada, by_provider).await.unwrap_err();
    scene.told(&[]);

    auth.verify_password(key, PASSWORD).await.unwrap();
    scene.told(&["key_verified"]);
    auth.verify_password(key, WRONG).await.unwrap_err();
    scene.told(&["sign_in_failed: wrong_password"]);
    let unknown = auth.verify_password(("username", "eve"), WRONG).await;
    unknown.unwrap_err();
    scene.told(&["sign_in_failed: unknown_key"]);
    let keyless = auth.verify_password(("github", "1815"), WRONG).await;
    keyless.unwrap_err();
    scene.told(&["sign_in_failed: no_password"]);
    auth.trusted_key(("github", "1815")).await.unwrap();
    scene.told(&["key_verified"]);
    auth.trusted_key(key).await.unwrap_err();
    scene.told(&["sign_in_failed: has_password"]);
    // A first sign-in by a provider is nothing to be told.
    auth.trusted_key(("github", "1")).await.unwrap_err();
    scene.told(&[]);

    let nickname = json!({ "username": "lady ada" });
    let updated = auth.update_user_attributes::<Profile>(&ada, &nickname);
    updated.await.unwrap();
    scene.told(&["user_updated"]);
    let nobody = UserId::new("nobody").unwrap();
    let updated = auth.update_user_attributes::<Profile>(&nobody, &nickname);
    updated.await.unwrap_err();
    scene.told(&[]);

    auth.delete_key(("github", "1815")).await.unwrap();
    let events = scene.told.events();
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(event.kind.name(), "key_deleted");
    assert_eq!(event.kind.user_id(), Some(&ada));
    auth.delete_key(("github", "1815")).await.unwrap();
    auth.delete_key(key).await.unwrap_err(); // the last one
    scene.told(&[]);
}

async fn passwords(scene: &Scene) {
    let auth = &scene.auth;
    let session = scene.sign_up("bob").await;
    let key = ("username", "bob");
    let before = scene.verified("bob").await;
    auth.update_key_password(key, NEW).await.unwrap();
    scene.told(&["password_set"]);
    auth.update_key_password(("username", "eve"), NEW)
        .await
        .unwrap_err();
    auth.update_key_password(key, "short").await.unwrap_err();
    scene.told(&[]);
    // What was verified is not any more as it was.
    auth.create_session(&before).await.unwrap_err();
    scene.told(&["sign_in_failed: key_changed"]);
    let changed = auth.change_password(&session, &before, PASSWORD).await;
    changed.unwrap_err();
    scene.told(&["sign_in_failed: key_changed"]);

    let ada = scene.sign_up("grace").await;
    let bobs = auth.verify_password(key, NEW).await.unwrap();
    scene.told(&["key_verified"]);
    let changed = auth.change_password(&ada, &bobs, PASSWORD).await;
    changed.unwrap_err();
    scene.told(&["sign_in_failed: other_user"]);
    auth.reauthenticate(&ada, &bobs).await.unwrap_err();
    scene.told(&["sign_in_failed: other_user"]);

    let former = session.id.clone();
    let session = auth
        .change_password(&session, &bobs, PASSWORD)
        .await
        .unwrap();
    let events = scene.told.events();
    let told = match &events[..] {
        [event] => serde_json::to_value(&event.kind).unwrap(),
        _ => panic!("{events:?}"),
    };
    let expected = json!({
        "event": "password_changed",
        "user_id": session.user_id,
        "provider_id": "username",
        "session_id": session.id,
        "former_session_id": former,
    });
    assert_eq!(told, expected);

    auth.reset_password(key, NEW).await.unwrap();
    scene.told(&["password_reset"]);
    // It has ended by that.
    let bobs = auth.verify_password(key, NEW).await.unwrap();
    scene.told(&["key_verified"]);
    let changed = auth.change_password(&session, &bobs, PASSWORD).await;
    assert!(matches!(changed, Err(Error::Unauthenticated)));
    scene.told(&[]);
    auth.remove_key_password(key).await.unwrap();
    scene.told(&["password_removed"]);
}

async fn sessions(scene: &Scene, stage: &Stage) {
    let auth = &scene.auth;
    let first = scene.sign_up("joan").await;
    let key = scene.verified("joan").await;
    let session = auth
        .create_session(&key)
        .replace(Some(&first))
        .await
        .unwrap();
    let events = scene.told.events();
    let told = match &events[..] {
        [event] => serde_json::to_value(&event.kind).unwrap(),
        _ => panic!("{events:?}"),
    };
    let expected = json!({
        "event": "signed_in",
        "user_id": session.user_id,
        "session_id": session.id,
        "method": "password",
        "provider_id": "username",
        "proven": true,
        "replaced_session_id": first.id,
    });
    assert_eq!(told, expected);

    let session = auth.rotate_session(&session).await.unwrap();
    scene.told(&["session_rotated"]);
    let session = auth.reauthenticate(&session, &key).await.unwrap();
    scene.told(&["reauthenticated"]);
    auth.rotate_session(&first).await.unwrap_err();
    scene.told(&[]);

    let token = session.token();
    assert!(auth.validate_session(token).await.unwrap().is_some());
    scene.told(&[]);
    stage.clock.advance(2 * DAY);
    assert!(auth.validate_session(token).await.unwrap().is_some());
    scene.told(&["session_renewed"]);
    assert!(auth.validate_session(token).await.unwrap().is_some());
    assert!(
        auth.validate_session(first.token())
            .await
            .unwrap()
            .is_none()
    );
    scene.told(&[]);

    auth.invalidate_session(&session.id).await.unwrap();
    scene.told(&["session_invalidated: application"]);
    auth.invalidate_session(&session.id).await.unwrap();
    scene.told(&[]);
    let user_id = &session.user_id;
    let session = auth.create_session(user_id).await.unwrap();
    scene.told(&["signed_in"]);
    let nobody = UserId::new("nobody").unwrap();
    let ended = auth.invalidate_user_session(&nobody, &session.id).await;
    assert!(!ended.unwrap());
    scene.told(&[]);
    let ended = auth.invalidate_user_session(user_id, &session.id).await;
    assert!(ended.unwrap());
    scene.told(&["session_invalidated: application"]);
    auth.invalidate_other_sessions(&session).await.unwrap();
    scene.told(&["sessions_invalidated: application"]);
    auth.invalidate_user_sessions(user_id).await.unwrap();
    scene.told(&["sessions_invalidated: application"]);
    // Expired sessions end by themselves.
    auth.create_session(user_id).await.unwrap();
    scene.told(&["signed_in"]);
    stage.clock.advance(30 * DAY);
    assert_eq!(auth.delete_expired_user_sessions(user_id).await.unwrap(), 1);
    auth.delete_expired_sessions().await.unwrap();
    scene.told(&[]);
}

async fn one_time_tokens(scene: &Scene, stage: &Stage) {
    let auth = &scene.auth;
    let user_id = scene.sign_up("kay").await.user_id.clone();
    let link = auth.create_token(LINK, &()).user(&user_id).await.unwrap();
    scene.told(&["one_time_token_created"]);
    auth.check_token(LINK, link.expose()).await.unwrap();
    scene.told(&[]);
    auth.use_token(LINK, link.expose()).await.unwrap();
    scene.told(&["one_time_token_used"]);
    for dead in [link.expose(), "", "nonsense"] {
        auth.use_token(LINK, dead).await.unwrap_err();
        scene.told(&["one_time_token_refused"]);
        auth.check_token(LINK, dead).await.unwrap_err();
        scene.told(&["one_time_token_refused"]);
    }
    let old = auth.create_token(LINK, &()).await.unwrap();
    scene.told(&["one_time_token_created"]);
    stage.clock.advance(400 * DAY);
    auth.use_token(LINK, old.expose()).await.unwrap_err();
    scene.told(&["one_time_token_refused"]);

    let code = auth.create_code(CODE, &user_id, &()).await.unwrap();
    scene.told(&["one_time_code_created"]);
    let wrong = match code.expose() {
        "000000" => "000001",
        _ => "000000",
    };
    auth.use_code(CODE, &user_id, wrong).await.unwrap_err();
    let events = scene.told.events();
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    let EventKind::OneTimeCodeRefused { tries_left, .. } = &event.kind else {
        panic!("{event:?}");
    };
    assert_eq!(*tries_left, Some(4));
    auth.use_code(CODE, &user_id, code.expose()).await.unwrap();
    scene.told(&["one_time_code_used"]);
    for dead in [code.expose(), "1", ""] {
        auth.use_code(CODE, &user_id, dead).await.unwrap_err();
        scene.told(&["one_time_code_refused"]);
    }
    auth.invalidate_user_tokens(&user_id).await.unwrap();
    scene.told(&["one_time_tokens_invalidated"]);
    let request = request_to(auth);
    let reset = request.create_password_reset(("username", "kay")).await;
    assert!(reset.unwrap().is_some());
    scene.told(&["one_time_token_created"]);
}

async fn the_end_of_a_user(scene: &Scene) {
    let auth = &scene.auth;
    let session = scene.sign_up("alan").await;
    auth.delete_user(&session.user_id).await.unwrap();
    scene.told(&["user_deleted"]);
    let late = auth.create_session(&session.user_id).await;
    assert!(matches!(late, Err(Error::UnknownUser)), "{late:?}");
    scene.told(&["sign_in_failed: unknown_user"]);
}

async fn r69_sessions_in_excess_are_told(stage: Stage) {
    let told = Told::default();
    let builder = stage.builder().await.max_sessions_per_user(2);
    let auth = builder.on_event(told.hook()).build().unwrap();
    let first = sign_up(&auth, "ada").await;
    let mut sessions = vec![first.id.clone()];
    for _ in 0..2 {
        stage.clock.advance(Duration::from_secs(1));
        let session = auth.create_session(&first.user_id).await.unwrap();
        sessions.push(session.id.clone());
    }
    let events = told.events();
    let names: Vec<_> = events.iter().map(|event| name(&event.kind)).collect();
    let expected = [
        "user_created",
        "signed_in",
        "signed_in",
        "signed_in",
        "session_invalidated: session_limit",
    ];
    assert_eq!(names, expected);
    let last = &events[4].kind;
    assert_eq!(last.session_id(), Some(&sessions[0]));
    assert_eq!(last.user_id(), Some(&first.user_id));
    // The one that is replaced is not in excess.
    stage.clock.advance(Duration::from_secs(1));
    let second = auth.session(&sessions[1]).await.unwrap();
    let replacing = auth.create_session(&first.user_id).replace(second.as_ref());
    replacing.await.unwrap();
    assert_eq!(told.names(), ["signed_in"]);
}

async fn r69_an_event_has_its_time_and_no_client_where_no_request_is_known(stage: Stage) {
    let scene = Scene::of(&stage).await;
    stage.clock.advance(DAY);
    sign_up(&scene.auth, "ada").await;
    let events = scene.told.events();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.time, stage.clock.now());
        assert_eq!((event.address, event.user_agent), (None, None));
    }
}

/// What a call that is dropped may have done.
#[derive(Clone, Copy, Debug)]
enum Call {
    CreateUser,
    CreateSession,
    ChangePassword,
    ResetPassword,
    InvalidateSession,
    UseToken,
    DeleteUser,
}

async fn r69_a_call_dropped_at_any_await_tells_once_what_it_may_have_done(stage: Stage) {
    let scene = &Scene::of(&stage).await;
    for (call, event) in [
        (Call::CreateUser, "user_created"),
        (Call::CreateSession, "signed_in"),
        (Call::ChangePassword, "password_changed"),
        (Call::ResetPassword, "password_reset"),
        (Call::InvalidateSession, "session_invalidated: application"),
        (Call::UseToken, "one_time_token_used"),
        (Call::DeleteUser, "user_deleted"),
    ] {
        let mut interruptions = 0;
        // A store may be faster than the next look at it.
        for round in 0..20 {
            for polls in 1.. {
                let name = format!("{call:?} {round} {polls}");
                let (is_done, has_happened) = drop_after(scene, call, &name, polls).await;
                let told = scene.told.names();
                let interrupted = format!("interrupted: {event}");
                let is_interrupted = told == [&*interrupted];
                interruptions += u32::from(is_interrupted);
                if is_done {
                    assert_eq!(told, [event], "{name}");
                    break;
                }
                // Nothing has happened where nothing is told.
                let is_told = is_interrupted || told == [event];
                assert!(is_told || told.is_empty(), "{name}: {told:?}");
                assert!(is_told || !has_happened, "{name}: {told:?}");
            }
            if interruptions > 0 {
                break;
            }
        }
        // SQLite's thread is often faster each time.
        assert!(interruptions > 0 || !stage.is_postgres(), "{call:?}");
    }
}

/// Drops a call after so many polls. Returns whether it was done by then, and whether it has happened.
async fn drop_after(scene: &Scene, call: Call, name: &str, polls: usize) -> (bool, bool) {
    let auth = &scene.auth;
    let user = match call {
        Call::CreateUser => None,
        _ => Some(sign_up(auth, name).await),
    };
    let key = match call {
        Call::CreateSession | Call::ChangePassword => Some(verified(auth, name).await),
        _ => None,
    };
    let link = auth.create_token(LINK, &()).await.unwrap();
    scene.told.events();
    let is_done = match (call, &user, &key) {
        (Call::CreateUser, ..) => {
            let creation = auth.create_user(new_user(name)).into_future();
            dropped_after(polls, creation).await.map(drop_ok)
        }
        (Call::CreateSession, _, Some(key)) => {
            let creation = auth.create_session(key).into_future();
            dropped_after(polls, creation).await.map(drop_ok)
        }
        (Call::ChangePassword, Some(session), Some(key)) => {
            let change = auth.change_password(session, key, NEW);
            dropped_after(polls, change).await.map(drop_ok)
        }
        (Call::ResetPassword, ..) => {
            let reset = auth.reset_password(("username", name), NEW);
            dropped_after(polls, reset).await.map(drop_ok)
        }
        (Call::InvalidateSession, Some(session), _) => {
            let ending = auth.invalidate_session(&session.id);
            dropped_after(polls, ending).await.map(drop_ok)
        }
        (Call::UseToken, ..) => {
            let using = auth.use_token(LINK, link.expose());
            dropped_after(polls, using).await.map(drop_ok)
        }
        (Call::DeleteUser, Some(session), _) => {
            let deletion = auth.delete_user(&session.user_id);
            dropped_after(polls, deletion).await.map(drop_ok)
        }
        _ => unreachable!(),
    };
    settled(auth).await;
    let told = scene.told.events();
    let has_happened = match (call, user) {
        (Call::CreateUser, _) => auth.key(("username", name)).await.unwrap().is_some(),
        (Call::UseToken, _) => auth.check_token(LINK, link.expose()).await.is_err(),
        (Call::CreateSession, Some(user)) => {
            auth.user_sessions(&user.user_id).await.unwrap().len() == 2
        }
        (Call::ChangePassword | Call::ResetPassword | Call::InvalidateSession, Some(session)) => {
            auth.session(&session.id).await.unwrap().is_none()
        }
        (Call::DeleteUser, Some(session)) => {
            let user = auth.user::<NoAttributes>(&session.user_id).await;
            user.unwrap().is_none()
        }
        _ => unreachable!(),
    };
    // Without what the look has told.
    scene.told.events();
    let again = scene.told.hook();
    told.iter().for_each(again);
    (is_done.is_some(), has_happened)
}

fn drop_ok<T>(result: lucia::Result<T>) {
    result.map(drop).unwrap();
}

async fn r69_an_attempt_dropped_at_any_await_is_told_once(stage: Stage) {
    let scene = &Scene::of(&stage).await;
    scene.sign_up("ada").await;
    for (password, outcome) in [
        (PASSWORD, "key_verified"),
        (WRONG, "sign_in_failed: wrong_password"),
    ] {
        let mut given_up = 0;
        for polls in 1.. {
            let here: std::net::IpAddr = [192, 0, 2, u8::try_from(polls % 250).unwrap()].into();
            let check = scene.auth.verify_password(("username", "ada"), password);
            let check = check.limit_by(here).into_future();
            let checked = dropped_after(polls, check).await;
            settled(&scene.auth).await;
            let told = scene.told.names();
            if checked.is_some() {
                assert_eq!(told, [outcome], "{polls}");
                break;
            }
            // It is judged before it is taken back.
            let is_given_up = told == ["sign_in_failed: cancelled"];
            given_up += u32::from(is_given_up);
            assert!(is_given_up || told == [outcome], "{polls}: {told:?}");
        }
        assert!(given_up > 0);
        // What was never begun is not told.
        drop(scene.auth.verify_password(("username", "ada"), password));
        scene.told(&[]);
    }
}

async fn r69_an_outage_in_a_change_is_told_as_an_interruption(stage: Stage) {
    let scene = &Scene::of(&stage).await;
    let auth = &scene.auth;
    let session = scene.sign_up("ada").await;
    let key = scene.verified("ada").await;
    let link = auth.create_token(LINK, &()).await.unwrap();
    scene.told(&["one_time_token_created"]);
    stage.probe.set_down(true);
    auth.create_user(new_user("bob")).await.unwrap_err();
    scene.told(&["interrupted: user_created"]);
    auth.create_session(&key).await.unwrap_err();
    scene.told(&["interrupted: signed_in"]);
    let changed = auth.change_password(&session, &key, NEW).await;
    changed.unwrap_err();
    // The open links and codes come first. The password tells of them, and is not reached.
    scene.told(&[]);
    auth.invalidate_session(&session.id).await.unwrap_err();
    scene.told(&["interrupted: session_invalidated: application"]);
    let used = auth.use_token(LINK, link.expose()).await;
    used.unwrap_err();
    scene.told(&["interrupted: one_time_token_used"]);
    auth.delete_key(("username", "ada")).await.unwrap_err();
    scene.told(&["interrupted: key_deleted"]);
    auth.delete_user(&session.user_id).await.unwrap_err();
    scene.told(&["interrupted: user_deleted"]);
    // These change nothing.
    let checked = auth.verify_password(("username", "ada"), PASSWORD).await;
    checked.unwrap_err();
    scene.told(&["sign_in_failed: unavailable"]);
    auth.check_token(LINK, link.expose()).await.unwrap_err();
    auth.validate_session(session.token()).await.unwrap_err();
    scene.told(&[]);
}

#[tokio::test]
async fn r69_a_connection_cut_at_any_statement_is_told_once() {
    let stage = Stage::postgres().await;
    let told = Told::default();
    let auth = Auth::builder(stage.pg_store().await)
        .max_sessions_per_user(9)
        .on_event(told.hook());
    let auth = auth.clock(stage.clock.reader()).build().unwrap();
    let ada = sign_up(&auth, "ada").await;
    told.events();
    for statements in 0.. {
        let before = auth.user_sessions(&ada.user_id).await.unwrap().len();
        stage.proxy().cut_after(statements);
        let created = auth.create_session(&ada.user_id).await;
        stage.proxy().heal();
        let after = auth.user_sessions(&ada.user_id).await.unwrap().len();
        let told = told.names();
        match created {
            Ok(_) => {
                assert_eq!(told, ["signed_in"]);
                assert!(statements > 0, "nothing was cut");
                break;
            }
            Err(_) => assert_eq!(told, ["interrupted: signed_in"], "{before} {after}"),
        }
    }
}

async fn r69_a_hook_that_panics_fails_no_call_and_the_log_says_so(stage: Stage) {
    let logged = lucia_tests::watch(["a hook of `on_event` panicked"]);
    let told = Told::default();
    let builder = stage.builder().await;
    let builder = builder.on_event(|_| panic!("the hook's own mistake"));
    let auth = builder.on_event(told.hook()).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let key = verified(&auth, "ada").await;
    let session = auth.change_password(&session, &key, NEW).await.unwrap();
    assert!(auth.session(&session.id).await.unwrap().is_some());
    auth.verify_password(("username", "ada"), WRONG)
        .await
        .unwrap_err();
    // Dropped in the middle.
    let creation = auth.create_session(&session.user_id).into_future();
    let dropped = dropped_after(1, creation).await;
    settled(&auth).await;
    let names = told.names();
    let expected = [
        "user_created",
        "signed_in",
        "key_verified",
        "password_changed",
        "sign_in_failed: wrong_password",
        match dropped {
            None => "interrupted: signed_in",
            Some(_) => "signed_in",
        },
    ];
    assert_eq!(names, expected);
    let lines = logged.lines();
    let mine = |line: &&String| line.starts_with("ERROR") && line.contains("password_changed");
    assert!(lines.iter().any(|line| mine(&line)), "{lines:?}");
}

async fn r69_a_slow_hook_holds_up_its_own_call_alone(stage: Stage) {
    let (arrived, arrivals) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let slow = OnceLock::<UserId>::new();
    let slow = Arc::new(slow);
    let told = Told::default();
    let builder = stage.builder().await.on_event(told.hook());
    let auth = builder
        .on_event({
            let slow = slow.clone();
            move |event| {
                if event.kind.name() == "signed_in" && event.kind.user_id() == slow.get() {
                    arrived.send(()).unwrap();
                    released.lock().unwrap().recv().unwrap();
                }
            }
        })
        .build()
        .unwrap();
    let ada = sign_up(&auth, "ada").await;
    slow.set(ada.user_id.clone()).unwrap();
    let signing_in = tokio::task::spawn_blocking({
        let (auth, user_id) = (auth.clone(), ada.user_id.clone());
        move || {
            let runtime = tokio::runtime::Handle::current();
            runtime.block_on(auth.create_session(&user_id).into_future())
        }
    });
    tokio::task::spawn_blocking(move || arrivals.recv_timeout(Duration::from_secs(60)).unwrap())
        .await
        .unwrap();
    // The session is there, and all else goes on: no lock, connection or transaction is held.
    assert_eq!(auth.user_sessions(&ada.user_id).await.unwrap().len(), 2);
    for number in 0..20 {
        sign_up(&auth, &format!("user {number}")).await;
    }
    auth.invalidate_session(&ada.id).await.unwrap();
    assert!(!signing_in.is_finished());
    release.send(()).unwrap();
    let session = signing_in.await.unwrap().unwrap();
    assert!(auth.session(&session.id).await.unwrap().is_some());
    let names = told.names();
    assert_eq!(names.iter().filter(|name| *name == "signed_in").count(), 22);
}

async fn r69_a_hook_may_call_the_auth_that_calls_it(stage: Stage) {
    let itself = Arc::new(OnceLock::<Auth>::new());
    let (send, mut others_ended) = tokio::sync::mpsc::unbounded_channel();
    let told = Told::default();
    let builder = stage.builder().await.on_event(told.hook());
    let auth = builder
        .on_event({
            let itself = itself.clone();
            move |event| {
                let EventKind::SessionRotated { user_id, .. } = &event.kind else {
                    return;
                };
                let auth = itself.get().unwrap().clone();
                // A call within a call, which is dropped, and is told within the hook.
                let mut ending = Box::pin(auth.invalidate_user_tokens(user_id));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                let _ = ending.as_mut().poll(&mut context);
                drop(ending);
                let (send, user_id) = (send.clone(), user_id.clone());
                tokio::spawn(async move {
                    let ended = auth.invalidate_user_sessions(&user_id).await;
                    send.send(ended).unwrap();
                });
            }
        })
        .build()
        .unwrap();
    assert!(itself.set(auth.clone()).is_ok());
    let session = sign_up(&auth, "ada").await;
    auth.rotate_session(&session).await.unwrap();
    others_ended.recv().await.unwrap().unwrap();
    assert_eq!(auth.user_sessions(&session.user_id).await.unwrap(), []);
    settled(&auth).await;
    let names = told.names();
    let within = names
        .iter()
        .filter(|name| name.contains("tokens_invalidated"));
    assert_eq!(within.count(), 1, "{names:?}");
    let ended = names
        .iter()
        .filter(|name| name.contains("sessions_invalidated"));
    assert_eq!(ended.count(), 1, "{names:?}");
}

/// In a transaction of the application's, a user is told before it is committed.
#[tokio::test]
async fn r69_a_user_of_a_transaction_is_told_as_one() {
    let stage = Stage::postgres().await;
    let scene = Scene::of_postgres(&stage).await;
    let mut client = stage.database().connect().await;
    for commits in [true, false] {
        let transaction = client.transaction().await.unwrap();
        let name = format!("ada {commits}");
        let creation = scene.auth.create_user(new_user(&name));
        let user = creation.transaction(&transaction).await.unwrap();
        let key = NewKey::without_password(("github", &name));
        let creation = scene.auth.create_key(&user.id, key);
        creation.transaction(&transaction).await.unwrap();
        match commits {
            true => transaction.commit().await.unwrap(),
            false => transaction.rollback().await.unwrap(),
        }
        let events = scene.told.events();
        let told: Vec<_> = events
            .iter()
            .map(|event| serde_json::to_value(&event.kind).unwrap())
            .map(|kind| (kind["event"].clone(), kind["in_transaction"].clone()))
            .collect();
        let expected = ["user_created", "key_created"].map(|name| (json!(name), json!(true)));
        assert_eq!(told, expected);
    }
}

impl Scene {
    /// As [`of`](Self::of), with the store itself, which knows transactions.
    async fn of_postgres(stage: &Stage) -> Self {
        let told = Told::default();
        let builder = Auth::builder(stage.pg_store().await).on_event(told.hook());
        let auth = builder.build().unwrap();
        Self { auth, told }
    }
}
