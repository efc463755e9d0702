//! Visitors: each has an account, does one kind of thing at one web server, and remembers what was
//! acknowledged.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lucia_tests::TestClock;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, RequestBuilder};

use crate::ledger::{Check, Finding, Kind, Ledger, Record};

/// How far each step moves the clock of the web servers.
pub(crate) const STEP: Duration = Duration::from_millis(500);

/// For how long lucia counts failures to sign in. Those of a round are not to close an account in the next one:
/// a former password, and an attempt that was cut off.
const ATTEMPTS: Duration = Duration::from_secs(15 * 60);

/// How long a visitor waits between two steps.
const PAUSE: Duration = Duration::from_millis(5);

/// For how long a connection to a web server is kept, which closes it itself after 5 s.
const IDLE: Duration = Duration::from_secs(1);

/// How many sessions a visitor has who is about to end some.
const STOCK: usize = 2;

/// How many sessions a visitor keeps for the next round.
const KEPT: usize = 3;

/// The web server with a cache, which may be told of a revocation a moment later.
pub(crate) const CACHING: usize = 1;

/// The longest that a cache may take to know of a revocation by another process, with some time for a
/// busy machine: `CacheOptions::max_silence` is 1 s.
const SILENCE: Duration = Duration::from_secs(3);

/// Longer than any time-out of the web servers.
const NO_ANSWER: Duration = Duration::from_secs(15);

/// What the visitors share.
#[derive(Debug)]
pub(crate) struct World {
    client: Client,
    /// The addresses of the web servers.
    sites: Vec<String>,
    /// The address of one that nothing is wrong with, and which nobody visits.
    witness: String,
    pub(crate) ledger: Ledger,
    clock: TestClock,
    /// How long a web server may take to answer again after a round.
    patience: Duration,
    /// Since when the visitors are to finish what they do.
    ended: Mutex<Option<Instant>>,
    /// The web servers that did not answer after this round, and are not asked any more.
    silent: Mutex<BTreeSet<usize>>,
}

/// A visitor, with what must hold of their account.
#[derive(Debug)]
pub(crate) struct Visitor {
    kind: Kind,
    site: usize,
    username: String,
    /// The password, or all that it may be where a change was not acknowledged.
    passwords: Vec<String>,
    /// The passwords before each change that was acknowledged in this round, and when it was.
    former: Vec<(String, Instant)>,
    live: Vec<Held>,
    revoked: Vec<Held>,
    changes: u32,
}

/// A session, and what was acknowledged of it last.
#[derive(Clone, Debug)]
struct Held {
    cookie: String,
    kind: Kind,
    acknowledged: Instant,
}

#[derive(Debug)]
enum Answer {
    /// 200, with the cookie of a session if there is one.
    Done(Option<String>),
    /// 401.
    Unauthorized,
    /// 503, or something unexpected.
    Refused,
}

impl World {
    pub(crate) fn new(
        sites: Vec<String>,
        witness: String,
        clock: TestClock,
        patience: Duration,
    ) -> Self {
        let client = Client::builder().pool_idle_timeout(IDLE);
        let client = client.build().expect("no setting can fail");
        Self {
            patience,
            client,
            sites,
            witness,
            ledger: Ledger::default(),
            clock,
            ended: Mutex::new(None),
            silent: Mutex::new(BTreeSet::new()),
        }
    }

    pub(crate) fn begin_round(&self) {
        self.clock.advance(ATTEMPTS);
        *self.ended() = None;
        self.silent().clear();
    }

    pub(crate) fn end_round(&self) {
        *self.ended() = Some(Instant::now());
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> MutexGuard<'_, Option<Instant>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sites(&self) -> usize {
        self.sites.len()
    }

    fn has_ended(&self) -> bool {
        self.ended().is_some()
    }

    fn get(&self, site: &str, cookie: &str) -> RequestBuilder {
        let request = self.client.get(format!("{site}/me"));
        request.header(COOKIE, cookie).timeout(NO_ANSWER)
    }

    fn post(&self, site: usize, path: &str, cookie: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.sites[site]));
        let request = request.header("sec-fetch-site", "same-origin").form(form);
        request.header(COOKIE, cookie).timeout(NO_ANSWER)
    }

    async fn ask(&self, kind: Kind, site: usize, request: RequestBuilder) -> Answer {
        let sent = Instant::now();
        let response = request.send().await;
        let answer = match &response {
            Err(error) => Err(format!("{error:?}")),
            Ok(response) => match response.status().as_u16() {
                200 => {
                    let cookie = response.headers().get(SET_COOKIE);
                    let cookie = cookie.and_then(|cookie| cookie.to_str().ok());
                    let pair = cookie.and_then(|cookie| cookie.split(';').next());
                    Ok(Answer::Done(pair.map(str::to_owned)))
                }
                401 => Ok(Answer::Unauthorized),
                503 => Ok(Answer::Refused),
                status => Err(format!("status {status}")),
            },
        };
        let answer = answer.unwrap_or_else(|text| {
            self.find(Check::Unexpected, kind, None, text);
            Answer::Refused
        });
        self.ledger.record(Record {
            kind,
            site,
            sent,
            done: Instant::now(),
            answered: !matches!(answer, Answer::Refused),
        });
        answer
    }

    /// Asks who the visitor is. After the end of the round there must be an answer soon.
    async fn me(&self, site: usize, held: &Held) -> Answer {
        if self.silent().contains(&site) {
            return Answer::Refused;
        }
        loop {
            let request = self.get(&self.sites[site], &held.cookie);
            let answer = self.ask(Kind::Me, site, request).await;
            let ended = *self.ended();
            let Some(ended) = ended.filter(|_| matches!(answer, Answer::Refused)) else {
                return answer;
            };
            if ended.elapsed() > self.patience {
                let text = format!("no answer from web server {site} at the end of the round");
                self.find(Check::NotRecovered, Kind::Me, None, text);
                self.silent().insert(site);
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether the session is in the database, as far as that can be told.
    async fn is_in_database(&self, held: &Held) -> Option<bool> {
        let deadline = Instant::now() + NO_ANSWER;
        while Instant::now() < deadline {
            if let Ok(response) = self.get(&self.witness, &held.cookie).send().await {
                match response.status().as_u16() {
                    200 => return Some(true),
                    401 => return Some(false),
                    _ => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        None
    }

    /// Finds out why a session that must be valid is refused.
    async fn judge(&self, site: usize, held: &Held) {
        let check = match self.is_in_database(held).await {
            Some(true) => Check::WrongLogOut,
            Some(false) => Check::LostLogIn,
            None => Check::Unexpected,
        };
        let text = format!("401 from web server {site}");
        self.find(check, held.kind, Some(held.acknowledged), text);
    }

    fn find(&self, check: Check, kind: Kind, acknowledged: Option<Instant>, text: String) {
        self.ledger.find(Finding {
            check,
            acknowledged,
            text: format!("{kind}: {text}"),
        });
    }

    /// Whether a session that must be valid is not refused at a web server.
    async fn expect_live(&self, site: usize, held: &Held) -> bool {
        let refused = matches!(self.me(site, held).await, Answer::Unauthorized);
        if refused {
            self.judge(site, held).await;
        }
        !refused
    }

    /// Whether a session that must have ended is not accepted at a web server.
    async fn expect_revoked(&self, site: usize, held: &Held) -> bool {
        let deadline = match site {
            CACHING => held.acknowledged + SILENCE,
            _ => held.acknowledged,
        };
        loop {
            match self.me(site, held).await {
                Answer::Done(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
                Answer::Done(_) => {
                    let text = format!("accepted by web server {site}");
                    let acknowledged = Some(held.acknowledged);
                    self.find(Check::LostRevocation, held.kind, acknowledged, text);
                    return false;
                }
                Answer::Unauthorized | Answer::Refused => return true,
            }
        }
    }
}

impl Visitor {
    pub(crate) fn new(kind: Kind, site: usize) -> Self {
        Self {
            kind,
            site,
            username: format!("{kind} at {site}"),
            passwords: vec!["correct horse battery 0".to_owned()],
            former: Vec::new(),
            live: Vec::new(),
            revoked: Vec::new(),
            changes: 0,
        }
    }

    pub(crate) fn credentials(&self) -> (&str, &str) {
        (&self.username, &self.passwords[0])
    }

    /// Goes on until the end of the round.
    pub(crate) async fn visit(mut self, world: &World) -> Self {
        while !world.has_ended() {
            world.clock.advance(STEP);
            self.step(world).await;
            tokio::time::sleep(PAUSE).await;
        }
        self
    }

    async fn step(&mut self, world: &World) {
        match self.kind {
            Kind::SignIn => {
                if self.sign_in(world).await {
                    self.look(world, self.live.len() - 1).await;
                }
                return;
            }
            _ => {
                while self.live.len() < STOCK {
                    if !self.sign_in(world).await {
                        return;
                    }
                }
            }
        }
        match self.kind {
            Kind::SignIn => {}
            Kind::Me => {
                for at in (0..self.live.len()).rev() {
                    self.look(world, at).await;
                }
            }
            Kind::SignOut => self.sign_out(world).await,
            Kind::SignOutEverywhere => self.sign_out_everywhere(world).await,
            Kind::ChangePassword => self.change_password(world).await,
        }
    }

    /// Looks at a session at each web server, and lets it go where it is refused.
    async fn look(&mut self, world: &World, at: usize) {
        for site in 0..world.sites() {
            if !world.expect_live(site, &self.live[at]).await {
                self.live.remove(at);
                return;
            }
        }
    }

    async fn log_in(&self, world: &World, password: &str) -> Answer {
        let form = [("username", &*self.username), ("password", password)];
        let request = world.post(self.site, "/login", "", &form);
        world.ask(Kind::SignIn, self.site, request).await
    }

    /// Signs in, by whatever the password is. Returns whether that was acknowledged.
    async fn sign_in(&mut self, world: &World) -> bool {
        for password in self.passwords.clone() {
            match self.log_in(world, &password).await {
                Answer::Done(Some(cookie)) => {
                    self.live.push(held(cookie, Kind::SignIn));
                    self.passwords = vec![password];
                    return true;
                }
                Answer::Unauthorized => {}
                Answer::Done(None) | Answer::Refused => return false,
            }
        }
        let text = "the password is refused".to_owned();
        match self.former.pop() {
            // If it is the password again, the change is lost.
            Some((former, at)) => {
                world.find(Check::LostRevocation, Kind::ChangePassword, Some(at), text);
                self.passwords = vec![former];
            }
            None => world.find(Check::Unexpected, Kind::SignIn, None, text),
        }
        false
    }

    /// Notes that sessions have ended, and looks whether it is so.
    async fn revoked(&mut self, world: &World, kind: Kind, sessions: Vec<Held>) {
        for session in sessions {
            let revoked = held(session.cookie, kind);
            let mut holds = true;
            for site in 0..world.sites() {
                holds = holds && world.expect_revoked(site, &revoked).await;
            }
            if holds {
                self.revoked.push(revoked);
            }
        }
    }

    async fn sign_out(&mut self, world: &World) {
        // Whether it is ended by a request that is refused is not said, so it is repeated.
        let session = self.live.remove(0);
        while !world.has_ended() {
            let request = world.post(self.site, "/logout", &session.cookie, &[]);
            if let Answer::Done(_) = world.ask(self.kind, self.site, request).await {
                self.revoked(world, self.kind, vec![session]).await;
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn sign_out_everywhere(&mut self, world: &World) {
        let sessions = std::mem::take(&mut self.live);
        for attempt in 0.. {
            let request = world.post(self.site, "/logout-everywhere", &sessions[0].cookie, &[]);
            match world.ask(self.kind, self.site, request).await {
                Answer::Done(_) => return self.revoked(world, self.kind, sessions).await,
                Answer::Unauthorized if attempt == 0 => {
                    return world.judge(self.site, &sessions[0]).await;
                }
                // One that was refused has done it.
                Answer::Unauthorized => return,
                Answer::Refused if world.has_ended() => return,
                Answer::Refused => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn change_password(&mut self, world: &World) {
        let mut sessions = std::mem::take(&mut self.live);
        let old = self.passwords[0].clone();
        self.changes += 1;
        let new = format!("correct horse battery {}", self.changes);
        let form = [
            ("username", &*self.username),
            ("password", &old),
            ("new", &new),
        ];
        let request = world.post(self.site, "/password", &sessions[0].cookie, &form);
        match world.ask(self.kind, self.site, request).await {
            Answer::Done(cookie) => {
                self.passwords = vec![new];
                self.former.push((old, Instant::now()));
                self.live
                    .extend(cookie.map(|cookie| held(cookie, self.kind)));
                self.revoked(world, self.kind, sessions).await;
            }
            Answer::Unauthorized => world.judge(self.site, &sessions.remove(0)).await,
            // It may have happened, and ended the sessions.
            Answer::Refused => self.passwords = vec![new, old],
        }
    }

    /// Looks at all that was acknowledged in the round, at each web server, and forgets most of it.
    pub(crate) async fn audit(mut self, world: &World) -> Self {
        for at in (0..self.live.len()).rev() {
            self.look(world, at).await;
        }
        for session in std::mem::take(&mut self.revoked) {
            for site in 0..world.sites() {
                world.expect_revoked(site, &session).await;
            }
        }
        if self.sign_in(world).await
            && let Some((former, at)) = self.former.last()
            && let Answer::Done(_) = self.log_in(world, former).await
        {
            let text = "the former password is accepted".to_owned();
            world.find(Check::LostRevocation, Kind::ChangePassword, Some(*at), text);
        }
        self.former.clear();
        self.live.drain(..self.live.len().saturating_sub(KEPT));
        self
    }
}

fn held(cookie: String, kind: Kind) -> Held {
    Held {
        cookie,
        kind,
        acknowledged: Instant::now(),
    }
}
