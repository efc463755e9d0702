//! A database that goes away while a session gets another token.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use lucia::{Auth, Error, PasswordOptions, PgStore, Result, Session, VerifiedKey};
use lucia_tests::{Database, Server, Stop, programs_are_installed, skip};

use crate::support::{PASSWORD, Stage, sign_up, verified};

async fn is_alive(auth: &Auth, session: &Session) -> bool {
    let found = auth.validate_session(session.token()).await;
    found.unwrap().is_some()
}

/// The ways to put a session in the place of another one.
#[derive(Clone, Copy, Debug)]
enum How {
    Rotate,
    Replace,
    ChangePassword,
}

impl How {
    const ALL: [Self; 3] = [Self::Rotate, Self::Replace, Self::ChangePassword];

    async fn renew(
        self,
        auth: &Auth,
        old: &Session,
        key: &VerifiedKey,
        round: usize,
    ) -> Result<Session> {
        match self {
            Self::Rotate => auth.rotate_session(old).await,
            Self::Replace => auth.create_session(&old.user_id).replace(Some(old)).await,
            Self::ChangePassword => {
                let password = format!("password number {round}");
                auth.change_password(old, key, &password).await
            }
        }
    }
}

/// The session of the user, the old one or the new one, which is then the only one. Where a
/// password was changed, it was changed with it.
async fn assert_one_is_alive(auth: &Auth, known: &Session, name: &str, password: Option<&str>) {
    let list = auth.user_sessions(&known.user_id).await.unwrap();
    assert_eq!(list.len(), 1, "{name}: {list:?}");
    let is_known = list[0].id == known.id;
    assert_eq!(is_alive(auth, known).await, is_known, "{name}");
    if let Some(password) = password {
        let opened = auth.verify_password(("username", name), password).await;
        assert_eq!(opened.is_ok(), is_known, "{name}: {opened:?}");
    }
}

#[tokio::test]
async fn r06_a_connection_cut_at_any_statement_leaves_the_old_session_or_the_new_one() {
    let stage = Stage::postgres().await;
    let auth = Auth::builder(stage.pg_store().await).build().unwrap();
    for how in How::ALL {
        for statements in 0.. {
            let name = format!("{how:?} {statements}");
            let old = sign_up(&auth, &name).await;
            let key = verified(&auth, &name).await;
            stage.proxy().cut_after(statements);
            let new = how.renew(&auth, &old, &key, 0).await;
            stage.proxy().heal();
            let password = matches!(how, How::ChangePassword);
            match new {
                Ok(new) => {
                    assert!(!is_alive(&auth, &old).await);
                    let password = password.then_some("password number 0");
                    assert_one_is_alive(&auth, &new, &name, password).await;
                    assert!(is_alive(&auth, &new).await);
                    break;
                }
                Err(Error::Unavailable(_)) => {
                    let password = password.then_some(PASSWORD);
                    assert_one_is_alive(&auth, &old, &name, password).await;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

async fn another_process(database: &Database) -> Auth {
    let store = PgStore::connect(&database.url()).await.unwrap();
    let options = PasswordOptions::new().waiting(100);
    Auth::builder(store).passwords(options).build().unwrap()
}

#[tokio::test]
async fn r06_a_server_killed_in_mid_rotation_leaves_the_old_session_or_the_new_one() {
    if !programs_are_installed() {
        return skip(
            "r06_a_server_killed_in_mid_rotation",
            "no programs of Postgres to start one",
        );
    }
    let server = tokio::task::spawn_blocking(Server::start_durable).await;
    let mut server = server.unwrap().unwrap();
    let database = Database::on(&server.url()).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    for how in How::ALL {
        let auth = another_process(&database).await;
        let done = AtomicUsize::new(0);
        let users = join_all((0..6).map(async |number| {
            let name = format!("{how:?} {number}");
            (sign_up(&auth, &name).await, name)
        }));
        // Everybody goes on until the server is gone.
        let users = users.await.into_iter().map(async |(mut known, name)| {
            let mut password = PASSWORD.to_owned();
            for round in 0.. {
                let renewed = async {
                    let opening = auth.verify_password(("username", &name), &password);
                    how.renew(&auth, &known, &opening.await?, round).await
                };
                match renewed.await {
                    Ok(new) => known = new,
                    Err(Error::Unavailable(_)) => break,
                    Err(other) => panic!("{other:?}"),
                }
                if matches!(how, How::ChangePassword) {
                    password = format!("password number {round}");
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            (known, name, password)
        });
        let killing = async {
            while done.load(Ordering::Relaxed) < 20 {
                tokio::task::yield_now().await;
            }
            server.stop(Stop::Kill);
        };
        let (users, ()) = tokio::join!(join_all(users), killing);
        server.restart();
        let auth = another_process(&database).await;
        for (known, name, password) in users {
            let password = matches!(how, How::ChangePassword).then_some(&*password);
            assert_one_is_alive(&auth, &known, &name, password).await;
        }
    }
}
