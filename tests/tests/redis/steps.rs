//! Calls that end half way: what they leave behind, and who finishes it.

use std::collections::HashMap;

use lucia::store::{NewSessionRow, Owner, SessionStore};
use lucia::{RedisStore, SessionId};
use serde_json::{Value, json};

use crate::proxy::{Proxy, Stop};
use crate::support::{ADA, BOB, Place, expiries, id, now, rotation, session, user};

/// A call, by number: see [`call`].
const CALLS: [&str; 7] = [
    "insert",
    "insert beside another user's",
    "renew",
    "rotate",
    "update",
    "delete",
    "delete all",
];

/// Ada has the sessions 1 to 3 and Bob has 4. A new one is 5. Returns the answer.
async fn call(store: &RedisStore, name: &str) -> String {
    let inserted = async |replaced| {
        let new = replacing(replaced, session(5, ADA));
        let mut in_excess = store.insert_session(new).await.unwrap().in_excess;
        in_excess.sort();
        in_excess
    };
    match name {
        "insert" => format!("{:?}", inserted(1).await),
        "insert beside another user's" => format!("{:?}", inserted(4).await),
        "renew" => format!("{:?}", store.renew_session(&id(1), expiries(now())).await),
        "rotate" => format!("{:?}", store.rotate_session(&id(1), rotation(5)).await),
        "update" => {
            let visits = attributes(json!({ "visits": 2 }));
            let updated = store.update_session(&id(1), visits).await.unwrap();
            updated.map(|session| session.attributes).unwrap()
        }
        "delete" => {
            let ada = user(ADA);
            format!("{:?}", store.delete_session(&id(1), Owner::Is(&ada)).await)
        }
        "delete all" => {
            let deleted = store.delete_user_sessions(&user(ADA), Some(&id(3))).await;
            format!("{deleted:?}")
        }
        other => panic!("there is no call {other}"),
    }
}

fn replacing(number: u64, new: NewSessionRow) -> NewSessionRow {
    let mut new = new;
    new.replaces = Some(id(number));
    new.limit = Some(2);
    new
}

fn attributes(object: Value) -> serde_json::Map<String, Value> {
    object.as_object().unwrap().clone()
}

/// A place where Ada and Bob have their sessions, and two stores, of which the second one is behind a proxy.
struct Scene {
    place: Place,
    store: RedisStore,
    proxy: Proxy,
    proxied: RedisStore,
}

impl Scene {
    async fn new() -> Option<Self> {
        let place = Place::new().await?;
        let builder = place.builder().session_attributes(json!({ "visits": 1 }));
        let store = builder.clone().connect(&place.server.url()).await.unwrap();
        let proxy = Proxy::before(place.server).await;
        let proxied = builder.connect(&proxy.url()).await.unwrap();
        for (number, user) in [(1, ADA), (2, ADA), (3, ADA), (4, BOB)] {
            store.insert_session(session(number, user)).await.unwrap();
        }
        Some(Self {
            place,
            store,
            proxy,
            proxied,
        })
    }

    /// Drops a call when so many of its commands have passed. Returns whether it returned before.
    async fn half_done(&self, name: &str, commands: usize, stop: Stop) -> bool {
        self.proxy.stop_after(commands, stop);
        tokio::select! {
            _answer = call(&self.proxied, name) => true,
            () = self.proxy.has_stopped() => false,
        }
    }

    /// What each user's index says.
    async fn entries(&self) -> HashMap<String, String> {
        let mut entries = self.place.index(ADA).await;
        entries.extend(self.place.index(BOB).await);
        entries
    }

    /// Each hash whose token a client has is known to the index.
    async fn are_known(&self, tokens: &[u64]) {
        let entries = self.entries().await;
        let hashes = self.place.hashes().await;
        for id in tokens.iter().map(|number| id(*number).to_string()) {
            assert!(!hashes.contains(&id) || entries.contains_key(&id), "{id}");
        }
    }
}

/// Each call that is cut off at each of its commands, before the command and before its reply.
macro_rules! at_each_step {
    ($($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            for call in CALLS {
                let mut steps = 0;
                'steps: loop {
                    for stop in [Stop::Command, Stop::Reply] {
                        let Some(scene) = Scene::new().await else {
                            return;
                        };
                        let is_done = scene.half_done(call, steps, stop).await;
                        super::steps::$name::check(&scene, call, is_done).await;
                        if is_done {
                            break 'steps;
                        }
                    }
                    steps += 1;
                }
                assert!(steps > 0, "{call} takes a command at least");
            }
        }
    )*};
}

at_each_step! {
    a_call_that_ends_half_way_hides_no_session_from_its_user
    signing_out_everywhere_ends_what_a_call_has_left
    a_call_that_is_repeated_succeeds
    what_a_call_has_left_is_finished_by_the_next_one
}

mod a_call_that_ends_half_way_hides_no_session_from_its_user {
    use super::*;

    pub(super) async fn check(scene: &Scene, _call: &str, is_done: bool) {
        let new = if is_done { &[5][..] } else { &[] };
        scene.are_known(&[&[1, 2, 3, 4], new].concat()).await;
    }
}

mod signing_out_everywhere_ends_what_a_call_has_left {
    use super::*;

    pub(super) async fn check(scene: &Scene, call: &str, is_done: bool) {
        for of in [ADA, BOB] {
            let deleted = scene.store.delete_user_sessions(&user(of), None).await;
            deleted.unwrap();
        }
        assert!(scene.entries().await.is_empty(), "{call}");
        let mut hashes = scene.place.hashes().await;
        // Nobody has the token of a session whose creation did not return.
        hashes.retain(|hash| is_done || *hash != id(5).to_string());
        assert!(hashes.is_empty(), "{call}: {hashes:?}");
        for key in scene.place.keys().await {
            assert!(scene.place.left(&key).await > 0, "{key} goes by itself");
        }
    }
}

mod a_call_that_is_repeated_succeeds {
    use super::*;

    pub(super) async fn check(scene: &Scene, call: &str, _is_done: bool) {
        if call == "rotate" {
            // Its token is used up: see `of_a_rotation_that_ends_half_way_one_token_is_good`.
            return;
        }
        super::call(&scene.store, call).await;
        let is_there = async |number| {
            let session = scene.store.session(&id(number)).await.unwrap();
            let sessions = scene.store.user_sessions(&user(ADA)).await.unwrap();
            let is_listed = sessions.iter().any(|session| session.id == id(number));
            assert_eq!(
                session.is_some() && number != 4,
                is_listed,
                "{call}: {number}"
            );
            session.is_some()
        };
        let mut there = Vec::new();
        for number in 1..=5 {
            if is_there(number).await {
                there.push(number);
            }
        }
        match call {
            // The new one and the one of those that are left that began last.
            "insert" => assert_eq!(there, [3, 4, 5]),
            "insert beside another user's" => assert_eq!(there, [3, 5]),
            "delete" => assert_eq!(there, [2, 3, 4]),
            "delete all" => assert_eq!(there, [3, 4]),
            _ => assert_eq!(there, [1, 2, 3, 4]),
        }
    }
}

mod what_a_call_has_left_is_finished_by_the_next_one {
    use super::*;

    pub(super) async fn check(scene: &Scene, call: &str, _is_done: bool) {
        let mut ending = Vec::new();
        for of in [ADA, BOB] {
            for (id, value) in scene.place.index(of).await {
                if let Some(rest) = value.strip_prefix('R') {
                    // As if that had been eleven seconds earlier.
                    let (ended, rest) = rest.split_at(16);
                    let ended = ended.parse::<i64>().unwrap() - 11_000;
                    let value = format!("R{ended:016}{rest}");
                    let index = scene.place.index_key(of);
                    let server = scene.place.server;
                    server.ask::<i64>(&["HSET", &index, &id, &value]).await;
                }
                if !value.starts_with('L') {
                    ending.push(id);
                }
            }
        }
        for (number, of) in [(6, ADA), (7, BOB)] {
            let inserted = scene.store.insert_session(session(number, of)).await;
            inserted.unwrap();
        }
        let entries = scene.entries().await;
        for id in ending {
            assert!(!entries.contains_key(&id), "{call}");
            let id: SessionId = id.parse().unwrap();
            assert_eq!(scene.store.session(&id).await.unwrap(), None, "{call}");
        }
    }
}

#[tokio::test]
async fn of_a_rotation_that_ends_half_way_one_token_is_good() {
    for steps in 0.. {
        let mut is_done = false;
        for stop in [Stop::Command, Stop::Reply] {
            let Some(scene) = Scene::new().await else {
                return;
            };
            is_done |= scene.half_done("rotate", steps, stop).await;
            let entries = scene.entries().await;
            let lives = |number| {
                let value = entries.get(id(number).as_str());
                value.is_some_and(|value| value.starts_with('L'))
            };
            assert!(lives(1) ^ lives(5), "after {steps} commands: {entries:?}");
            let again = scene.store.rotate_session(&id(1), rotation(6)).await;
            assert_eq!(again.unwrap(), lives(1), "after {steps} commands");
        }
        if is_done {
            return;
        }
    }
}

#[tokio::test]
async fn what_is_written_to_a_session_while_it_is_rotated_is_kept() {
    for steps in 0.. {
        let Some(scene) = Scene::new().await else {
            return;
        };
        scene.proxy.stop_after(steps, Stop::Command);
        let written = async {
            scene.proxy.has_stopped().await;
            let visits = attributes(json!({ "visits": 7 }));
            let updated = scene.store.update_session(&id(1), visits).await.unwrap();
            scene.proxy.go_on();
            updated.is_some()
        };
        let rotating = async {
            let rotated = scene.proxied.rotate_session(&id(1), rotation(5)).await;
            assert!(rotated.unwrap());
        };
        tokio::pin!(written, rotating);
        let was_written = tokio::select! {
            biased;
            () = &mut rotating => return,
            was_written = &mut written => was_written,
        };
        rotating.await;
        let session = scene.store.session(&id(5)).await.unwrap().unwrap();
        let visits = if was_written { 7 } else { 1 };
        assert_eq!(
            session.attributes,
            json!({ "visits": visits }).to_string(),
            "{steps}"
        );
    }
}

/// The store sends a command once more when the connection breaks before the reply, and so does the driver in a
/// cluster.
#[tokio::test]
async fn a_command_that_runs_twice_is_answered_as_if_it_had_run_once() {
    for name in CALLS {
        let Some(scene) = Scene::new().await else {
            return;
        };
        let answer = call(&scene.store, name).await;
        for steps in 0.. {
            let Some(scene) = Scene::new().await else {
                return;
            };
            scene.proxy.stop_after(steps, Stop::Reply);
            let cutting = async {
                scene.proxy.has_stopped().await;
                scene.proxy.cut();
                std::future::pending().await
            };
            let again = tokio::select! {
                again = call(&scene.proxied, name) => again,
                never = cutting => never,
            };
            assert_eq!(again, answer, "{name}, after {steps} commands");
            assert!(
                scene
                    .entries()
                    .await
                    .values()
                    .all(|value| value.starts_with('L'))
            );
            if !scene.proxy.was_cut() {
                break;
            }
        }
    }
}
