//! A running site, the mails that it writes, and people who visit it over HTTP.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each file of tests uses a part of it"
)]

#[path = "../../../quickstart/tests/support/browser.rs"]
pub mod browser;
pub mod keyboard;
pub mod looks;
pub mod visitor;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use actix_web::rt;
use lucia::mail::{Mail, Mailbox};
use showcase::{Database, Settings};
use tempfile::TempDir;
use visitor::Visitor;

pub const PASSWORD: &str = "correct horse battery";

/// How long a mail or a row may take to appear, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A site on a free port, with a database that only it has.
pub struct RunningSite {
    /// Where it is: `http://127.0.0.1:<port>`.
    pub origin: String,
    mailbox: Option<Mailbox>,
    /// How many mails to an address were read.
    read: Mutex<HashMap<String, usize>>,
    directory: TempDir,
}

impl RunningSite {
    /// On a file of SQLite.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.db");
        let database = Database::Sqlite(file.to_str().unwrap().to_owned());
        Self::with(settings(database), directory).await
    }

    /// On a server.
    pub async fn on_postgres(url: String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::with(settings(Database::Postgres(url)), directory).await
    }

    pub async fn with(settings: Settings, directory: TempDir) -> Self {
        let site = showcase::start(&settings).await.unwrap();
        let (origin, mailbox) = (site.origin().to_owned(), site.mailbox().cloned());
        rt::spawn(site.run());
        Self {
            origin,
            mailbox,
            read: Mutex::default(),
            directory,
        }
    }

    pub fn visitor(&self) -> Visitor {
        Visitor::new(&self.origin)
    }

    /// A visitor who has signed up with this address, which is not confirmed.
    pub async fn member(&self, address: &str) -> Visitor {
        let visitor = self.visitor();
        let form = [("name", "Ada"), ("email", address), ("password", PASSWORD)];
        let page = visitor.post("/signup", &form).await;
        assert_eq!(page.leads_to(), "/verify/sent");
        visitor
    }

    /// A visitor who has signed up with this address, and confirmed it.
    pub async fn confirmed_member(&self, address: &str) -> Visitor {
        let visitor = self.member(address).await;
        let page = visitor.open_link(&self.next_mail(address).await).await;
        let page = visitor
            .post("/verify", &[("token", page.hidden("token"))])
            .await;
        assert_eq!(page.leads_to(), "/home?notice=address-confirmed");
        visitor
    }

    /// The first mail to this address that was not read yet.
    pub async fn next_mail(&self, address: &str) -> Mail {
        let number = {
            let mut read = self.read.lock().unwrap();
            let read = read.entry(address.to_owned()).or_default();
            *read += 1;
            *read
        };
        let find = || self.mails(address).into_iter().nth(number - 1);
        eventually(async || find().is_some()).await;
        find().unwrap()
    }

    /// All mails to this address, the oldest first.
    pub fn mails(&self, address: &str) -> Vec<Mail> {
        let mails = self.mailbox.as_ref().unwrap().mails().into_iter().rev();
        mails.filter(|mail| mail.to() == address).collect()
    }

    /// Changes the database past the site, as time does.
    pub fn execute(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap();
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.connection()
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    }

    fn connection(&self) -> rusqlite::Connection {
        let file = self.directory.path().join("test.db");
        let connection = rusqlite::Connection::open(file).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// Makes all sign-ins eleven minutes older.
    pub fn age_sign_ins(&self) {
        self.execute("UPDATE user_session SET authenticated_at = authenticated_at - 660000");
    }

    /// Makes all links and codes expire.
    pub fn expire_tokens(&self) {
        self.execute("UPDATE one_time_token SET expires = 0");
    }
}

/// On this machine, with the mailbox and the demo provider.
pub fn settings(database: Database) -> Settings {
    Settings {
        address: "127.0.0.1".to_owned(),
        port: 0,
        public_url: None,
        behind_proxy: false,
        database,
        smtp: None,
        clients: Vec::new(),
    }
}

/// Waits until this holds.
pub async fn eventually(holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("it never came");
}
