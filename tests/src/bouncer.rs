//! A real PgBouncer.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::{Config, NoTls};

use crate::{Database, skip};

/// A machine that compiles at the same time can be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A PgBouncer before a database.
#[derive(Debug)]
pub struct Bouncer {
    process: Child,
    port: u16,
    url: String,
    file: PathBuf,
    _directory: TempDir,
}

impl Bouncer {
    /// One with these settings, such as `pool_mode = transaction`. `None` where it is not installed.
    ///
    /// # Panics
    ///
    /// When it does not work.
    pub async fn before(database: &Database, settings: &[&str]) -> Option<Self> {
        Self::before_server(database, database.host(), settings).await
    }

    /// As [`before`](Self::before), for another server that has this database, such as a standby.
    ///
    /// # Panics
    ///
    /// When it does not work.
    pub async fn before_server(
        database: &Database,
        (host, server_port): (String, u16),
        settings: &[&str],
    ) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let server: Config = database.url().parse().expect("a url");
        let name = server.get_dbname().expect("a database");
        let user = server.get_user().expect("a user");
        let password = server.get_password().map(|password| {
            let password = String::from_utf8_lossy(password);
            format!(" password='{}'", password.replace('\'', "''"))
        });
        let password = password.unwrap_or_default();
        let port = free_port();
        let file = directory.path().join("pgbouncer.ini");
        let settings = settings.join("\n");
        let patience = PATIENCE.as_secs();
        let text = format!(
            "[databases]\n\
             {name} = host={host} port={server_port} user={user}{password}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             client_login_timeout = {patience}\n\
             server_connect_timeout = {patience}\n\
             server_login_retry = 1\n\
             {settings}\n"
        );
        std::fs::write(&file, text).expect("a file");
        // It refuses to run as root, so somebody else has to read this.
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), readable).expect("a mode");
        let Ok(process) = start(&file) else {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            skip(name, "no pgbouncer is installed");
            return None;
        };
        let bouncer = Self {
            process,
            port,
            url: database.url_by(port),
            file,
            _directory: directory,
        };
        bouncer.answers().await;
        Some(bouncer)
    }

    /// The address of its database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, and starts it again.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.end();
        self.process = start(&self.file).expect("it starts");
        self.answers().await;
    }

    async fn answers(&self) {
        let begin = Instant::now();
        while tokio_postgres::connect(&self.url, NoTls).await.is_err() {
            assert!(begin.elapsed() < PATIENCE, "PgBouncer does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.end();
    }
}

fn start(file: &PathBuf) -> std::io::Result<Child> {
    let mut command = Command::new("pgbouncer");
    if std::fs::metadata(file)?.uid() == 0 {
        command.args(["--user", "nobody"]);
    }
    let command = command.arg("--quiet").arg(file).stderr(Stdio::null());
    command.spawn()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound port").port()
}
