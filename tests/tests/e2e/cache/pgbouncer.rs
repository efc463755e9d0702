//! A listener behind a real PgBouncer.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lucia::{Auth, CacheOptions, PgStore};
use lucia_tests::{Database, skip, watch};
use tempfile::TempDir;
use tokio_postgres::{Config, NoTls};

use crate::support::{Stage, eventually, sign_up};

/// A PgBouncer before a database, which lends its connections by `mode`.
struct Bouncer {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Bouncer {
    /// `None` where it is not installed.
    async fn before(database: &Database, mode: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let server: Config = database.url().parse().unwrap();
        let (host, server_port) = database.host();
        let name = server.get_dbname().unwrap();
        let user = server.get_user().unwrap();
        let password = server.get_password().map(|password| {
            let password = std::str::from_utf8(password).unwrap();
            format!(" password='{}'", password.replace('\'', "''"))
        });
        let password = password.unwrap_or_default();
        let port = free_port();
        let file = directory.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n\
             {name} = host={host} port={server_port} user={user}{password}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = {mode}\n"
        );
        std::fs::write(&file, settings).unwrap();
        let readable = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(directory.path(), readable(0o755)).unwrap();
        let mut command = Command::new("pgbouncer");
        if std::fs::metadata(&file).unwrap().uid() == 0 {
            command.args(["--user", "nobody"]);
        }
        command.arg("--quiet").arg(&file).stderr(Stdio::null());
        let Ok(process) = command.spawn() else {
            let thread = std::thread::current();
            skip(
                thread.name().unwrap_or_default(),
                "no pgbouncer is installed",
            );
            return None;
        };
        let bouncer = Self {
            process,
            port,
            _directory: directory,
        };
        eventually(async || {
            let url = database.url_by(port);
            tokio_postgres::connect(&url, NoTls).await.is_ok()
        })
        .await;
        Some(bouncer)
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A store whose listener, and nothing else, is behind it.
async fn store_behind(stage: &Stage, bouncer: &Bouncer) -> PgStore {
    let config = stage.database().url_by(bouncer.port).parse().unwrap();
    let options = CacheOptions::new().listener(config, NoTls);
    let builder = PgStore::builder().cache(options);
    let store = builder.connect(&stage.database().url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    store
}

#[tokio::test]
async fn r54_in_transaction_mode_a_listener_hears_nobody_and_the_cache_says_so() {
    let stage = Stage::postgres().await;
    let Some(bouncer) = Bouncer::before(stage.database(), "transaction").await else {
        return;
    };
    let logged = watch(["PgBouncer in transaction mode"]);
    let store = store_behind(&stage, &bouncer).await;
    let auth = Auth::builder(store.clone()).build().unwrap();
    eventually(async || !logged.lines().is_empty()).await;
    assert!(logged.lines()[0].starts_with("ERROR"), "{logged:?}");
    assert!(!store.is_cache_answering());
    let session = sign_up(&auth, "ada").await;
    stage.execute("DELETE FROM user_session").await;
    let found = auth.validate_session(session.token()).await;
    assert!(found.unwrap().is_none());
}

#[tokio::test]
async fn r54_in_session_mode_a_listener_hears_as_without() {
    let stage = Stage::postgres().await;
    let Some(bouncer) = Bouncer::before(stage.database(), "session").await else {
        return;
    };
    let store = store_behind(&stage, &bouncer).await;
    eventually(async || store.is_cache_answering()).await;
    let auth = Auth::builder(store).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for _ in 0..2 {
        let found = auth.validate_session(session.token()).await;
        assert!(found.unwrap().is_some());
    }
    stage.execute("DELETE FROM user_session").await;
    let token = session.token();
    let gone = async || auth.validate_session(token).await.unwrap().is_none();
    let seen = eventually(gone).await;
    assert!(seen < Duration::from_secs(10), "{seen:?}");
}
