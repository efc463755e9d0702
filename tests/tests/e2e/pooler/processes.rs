//! Processes behind one pooler. Statements of one name meet only where there are two.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, stream};
use lucia::{Auth, PgStore};
use lucia_tests::{Bouncer, Database};

use crate::support::{Browser, PASSWORD, Profile, Reply, actix, eventually};

/// Tells a process of this test that it is to be a site, and where its database is.
const URL: &str = "LUCIA_TESTS_SITE_OF";

/// How many are signed in at each process.
const VISITORS: usize = 12;

/// How many requests were answered to this process.
static REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// A process that serves a site, until it is dropped.
struct Process {
    child: Child,
    origin: String,
    /// It ends with this.
    _input: ChildStdin,
}

impl Process {
    /// Runs a test of this file once more, as a site.
    fn start(test: &str, url: &str) -> Self {
        let (_, module) = module_path!().split_once("::").unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", &format!("{module}::{test}")])
            .env(URL, url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let origin = lines
            .find_map(|line| Some(line.unwrap().split_once("serves ")?.1.to_owned()))
            .expect("the site starts");
        // What else it has to say is not to block it.
        std::thread::spawn(move || lines.for_each(drop));
        let input = child.stdin.take().unwrap();
        Self {
            child,
            origin,
            _input: input,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves a site, if this is a process for that, until the test that has started it ends.
async fn is_site() -> bool {
    let Ok(url) = std::env::var(URL) else {
        return false;
    };
    let store = PgStore::builder().max_connections(8);
    let store = store.connect(&url).await.unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let auth = Auth::builder(store)
        .max_sessions_per_user(2)
        .build()
        .unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    let site = actix::serve(auth, actix::front_page()).await;
    let mut output = std::io::stdout();
    writeln!(output, "serves {}", site.origin()).unwrap();
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    let _ = ended.await;
    true
}

/// Starts sites at the same moment.
async fn start<const N: usize>(test: &'static str, url: &str) -> [Process; N] {
    let starting = [(); N].map(|()| {
        let url = url.to_owned();
        tokio::task::spawn_blocking(move || Process::start(test, &url))
    });
    let mut started = Vec::new();
    for process in starting {
        started.push(process.await.unwrap());
    }
    started.try_into().ok().unwrap()
}

/// What was answered otherwise than it is to be.
#[derive(Debug, Default)]
struct Wrong {
    /// Each with what it was to be.
    answers: Vec<String>,
    requests: usize,
}

/// Somebody signs up, and is who they are for many requests, until they sign out, and in again.
async fn visit(origin: &str, name: &str, requests: usize) -> Wrong {
    let browser = Browser::new(origin.to_owned());
    let form = [("username", name), ("password", PASSWORD)];
    let mut wrong = Wrong::default();
    let mut expect = |what: &str, reply: Reply, status: u16, body: &str| {
        wrong.requests += 1;
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        if reply.status != status || reply.body != body {
            let (status, body) = (reply.status, reply.body);
            wrong
                .answers
                .push(format!("{what} of {name}: {status} {body:?}"));
        }
    };
    let greeting = format!("Hello, {name}!");
    expect("signup", browser.post("/signup", &form).await, 201, "");
    for _ in 0..2 {
        for _ in 0..requests / 2 {
            expect("me", browser.get("/me").await, 200, &greeting);
        }
        let cookie = browser.cookie_header();
        expect("logout", browser.post("/logout", &[]).await, 204, "");
        let after = browser.get("/me").await;
        expect("no cookie", after, 401, "Not signed in.");
        if let Some((name, value)) = cookie.as_deref().and_then(|cookie| cookie.split_once('=')) {
            let replay = Browser::new(origin.to_owned());
            replay.keep(name, value);
            expect("replay", replay.get("/me").await, 401, "Not signed in.");
        }
        expect("login", browser.post("/login", &form).await, 204, "");
    }
    wrong
}

/// Sends requests to all of these at once.
async fn load(round: &str, origins: &[&str], requests: usize) -> Wrong {
    let visits = (0..VISITORS).flat_map(|visitor| {
        origins
            .iter()
            .enumerate()
            .map(move |(process, origin)| async move {
                visit(origin, &format!("{round}-{process}-{visitor}"), requests).await
            })
    });
    // Hashing is bounded, and there are many who sign up at once.
    let wrong: Vec<_> = stream::iter(visits).buffer_unordered(8).collect().await;
    wrong.into_iter().fold(Wrong::default(), |mut sum, one| {
        sum.answers.extend(one.answers);
        sum.requests += one.requests;
        sum
    })
}

async fn two_processes_behind(test: &'static str, settings: &[&str]) {
    if is_site().await {
        return;
    }
    let database = Database::new().await;
    let Some(bouncer) = Bouncer::before(&database, settings).await else {
        return;
    };
    // They make the tables as well, both at once.
    let [first, second] = start(test, bouncer.url()).await;
    let wrong = load("first", &[&first.origin, &second.origin], 80).await;
    assert_eq!(wrong.answers, [""; 0], "of {}", wrong.requests);
    // One that starts anew begins to count anew, before server connections that it has used.
    drop(second);
    let [second] = start(test, bouncer.url()).await;
    let wrong = load("second", &[&second.origin, &first.origin], 40).await;
    assert_eq!(wrong.answers, [""; 0], "of {}", wrong.requests);
    assert!(wrong.requests > 1000, "{}", wrong.requests);
}

#[tokio::test]
async fn two_processes_behind_a_pooler_of_a_few_connections_get_their_own_answers() {
    let test = "two_processes_behind_a_pooler_of_a_few_connections_get_their_own_answers";
    two_processes_behind(test, &["pool_mode = transaction", "default_pool_size = 3"]).await;
}

#[tokio::test]
async fn two_processes_behind_a_pooler_of_one_connection_get_their_own_answers() {
    let test = "two_processes_behind_a_pooler_of_one_connection_get_their_own_answers";
    two_processes_behind(test, &["pool_mode = transaction", "default_pool_size = 1"]).await;
}

#[tokio::test]
async fn two_processes_behind_a_pooler_that_is_restarted_get_no_wrong_answers() {
    let test = "two_processes_behind_a_pooler_that_is_restarted_get_no_wrong_answers";
    if is_site().await {
        return;
    }
    let database = Database::new().await;
    let settings = ["pool_mode = transaction", "default_pool_size = 2"];
    let Some(mut bouncer) = Bouncer::before(&database, &settings).await else {
        return;
    };
    let [first, second] = start(test, bouncer.url()).await;
    let origins = [&*first.origin, &second.origin];
    let before = REQUESTS.load(Ordering::Relaxed);
    let restarting = async {
        for requests in [200, 400, 600] {
            let requests = before + requests;
            eventually(async || REQUESTS.load(Ordering::Relaxed) > requests).await;
            bouncer.restart().await;
        }
    };
    let (mut wrong, ()) = tokio::join!(load("restarted", &origins, 80), restarting);
    // While it is gone, nobody knows; and whoever has not signed up then is not let in later.
    let is_unavailable = |answer: &String| answer.contains(": 503 ");
    let lost: Vec<_> = wrong
        .answers
        .iter()
        .filter(|answer| is_unavailable(answer))
        .collect();
    let names: Vec<String> = lost
        .iter()
        .map(|answer| answer.split([' ', ':']).nth(2).unwrap().to_owned())
        .collect();
    let is_unlucky = |answer: &String| {
        names
            .iter()
            .any(|name| answer.contains(&format!(" {name}:")))
    };
    wrong.answers.retain(|answer| !is_unlucky(answer));
    assert_eq!(wrong.answers, [""; 0], "of {}", wrong.requests);
    let wrong = load("healed", &origins, 20).await;
    assert_eq!(wrong.answers, [""; 0], "of {}", wrong.requests);
}
