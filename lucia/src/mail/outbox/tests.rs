use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::*;
use crate::SqliteStore;
use crate::mail::SendError;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What happens to a mail.
type Answer = dyn Fn(&Mail, usize) -> Result<(), SendError> + Send + Sync;

/// Takes a while for each mail, and answers by its number among the tries of the same mail.
#[derive(Clone)]
struct Server {
    answer: Arc<Answer>,
    takes: Duration,
    /// When it was asked for which mail.
    asked: Arc<std::sync::Mutex<Vec<(Instant, String)>>>,
    sent: Arc<std::sync::Mutex<Vec<String>>>,
    at_once: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Fn(&Mail, usize) -> Result<(), SendError> + Send + Sync + 'static) -> Self {
        Self {
            answer: Arc::new(answer),
            takes: Duration::ZERO,
            asked: Arc::default(),
            sent: Arc::default(),
            at_once: Arc::default(),
            most_at_once: Arc::default(),
        }
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }

    fn asked(&self) -> Vec<(Instant, String)> {
        self.asked.lock().unwrap().clone()
    }
}

/// A call that goes on, until it ends or is dropped.
struct Here(Arc<AtomicUsize>);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Mailer for Server {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let subject = mail.subject().to_owned();
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push((Instant::now(), subject.clone()));
            asked.iter().filter(|(_, other)| *other == subject).count()
        };
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let _here = Here(self.at_once.clone());
        if !self.takes.is_zero() {
            sleep(self.takes).await;
        }
        (self.answer)(mail, number)?;
        self.sent.lock().unwrap().push(subject);
        Ok(())
    }
}

/// An outbox in memory, by the clock of Tokio, which stands still while there is something to do.
async fn outbox(server: &Server) -> Outbox {
    builder(server).await.start().await.unwrap()
}

async fn builder(server: &Server) -> OutboxBuilder {
    let store = SqliteStore::in_memory().await.unwrap();
    tokio::time::pause();
    let (begun, now) = (Instant::now(), SystemTime::now());
    let clock = move || now + begun.elapsed();
    let auth = Auth::builder(store).clock(clock).build().unwrap();
    auth.outbox(server.clone()).in_memory()
}

fn mail(subject: &str) -> Mail {
    Mail::new("ada@example.com", subject, "text").unwrap()
}

fn failed() -> SendError {
    SendError::failed("away")
}

#[tokio::test]
async fn each_mail_is_sent_once() {
    let server = Server::new(|_, _| Ok(()));
    let outbox = outbox(&server).await;
    for number in 0..100 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    sleep(HOUR).await;
    let mut sent: Vec<u32> = server.sent().iter().map(|it| it.parse().unwrap()).collect();
    sent.sort_unstable();
    assert_eq!(sent, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn r59_sending_a_mail_waits_for_nothing() {
    let server = Server {
        takes: HOUR,
        ..Server::new(|_, _| Ok(()))
    };
    let outbox = outbox(&server).await;
    let begun = Instant::now();
    for number in 0..100 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_mail_that_failed_is_tried_again_after_longer_and_longer_pauses() {
    let server = Server::new(|_, number| if number < 4 { Err(failed()) } else { Ok(()) });
    let outbox = outbox(&server).await;
    outbox.send(mail("a")).unwrap();
    sleep(HOUR).await;
    assert_eq!(server.sent(), ["a"]);
    let asked = server.asked();
    let pauses = asked.windows(2).map(|two| two[1].0 - two[0].0);
    // A tenth at random, and how often it is looked for.
    for (pause, least) in pauses.zip([5, 15, 45]) {
        let least = Duration::from_secs(least);
        let most = least + least / 10 + 5 * SECOND + SECOND;
        // The clock of the outbox has milliseconds.
        assert!(pause + SECOND > least && pause < most, "{pause:?}");
    }
    assert_eq!(asked.len(), 4);
}

#[tokio::test]
async fn a_mail_is_given_up_after_ten_tries() {
    let server = Server::new(|_, _| Err(failed()));
    let outbox = outbox(&server).await;
    outbox.send(mail("a")).unwrap();
    sleep(100 * HOUR).await;
    assert_eq!(server.asked().len(), 10);
    let asked = server.asked();
    let all = asked[9].0 - asked[0].0;
    assert!((3 * HOUR..4 * HOUR + HOUR / 2).contains(&all), "{all:?}");
    outbox.stop().await;
    assert_eq!(outbox.0.worker.memory().len(), 0);
}

#[tokio::test]
async fn a_mail_that_is_refused_is_not_tried_again() {
    let server = Server::new(|_, _| Err(SendError::refused("unknown")));
    let outbox = outbox(&server).await;
    outbox.send(mail("a")).unwrap();
    sleep(10 * HOUR).await;
    assert_eq!(server.asked().len(), 1);
    assert_eq!(outbox.0.worker.memory().len(), 0);
}

#[tokio::test]
async fn a_mail_that_has_expired_is_not_sent() {
    let server = Server::new(|_, number| if number < 3 { Err(failed()) } else { Ok(()) });
    let outbox = outbox(&server).await;
    outbox
        .send(mail("short").with_lifetime(12 * SECOND))
        .unwrap();
    outbox.send(mail("long").with_lifetime(HOUR)).unwrap();
    outbox
        .send(mail("none").with_lifetime(Duration::ZERO))
        .unwrap();
    sleep(HOUR).await;
    assert_eq!(server.sent(), ["long"]);
    let tries = |subject: &str| {
        server
            .asked()
            .iter()
            .filter(|(_, it)| it == subject)
            .count()
    };
    assert_eq!((tries("short"), tries("none")), (2, 0));
    assert_eq!(outbox.0.worker.memory().len(), 0);
}

#[tokio::test]
async fn a_mailer_that_panics_or_hangs_costs_a_try() {
    let server = Server::new(|_, number| match number {
        1 => panic!("a mailer that panics"),
        _ => Ok(()),
    });
    let outbox = outbox(&server).await;
    for number in 0..10 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    sleep(HOUR).await;
    assert_eq!(server.sent().len(), 10);

    let hangs = Server {
        takes: 1000 * HOUR,
        ..Server::new(|_, _| Ok(()))
    };
    let outbox = outbox
        .0
        .worker
        .auth()
        .outbox(hangs.clone())
        .in_memory()
        .start()
        .await
        .unwrap();
    for number in 0..8 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    sleep(HOUR).await;
    assert!(hangs.asked().len() >= 8, "{:?}", hangs.asked().len());
    assert_eq!(hangs.most_at_once.load(Ordering::SeqCst), WORKERS);
}

struct OneHangs(Server);

#[async_trait]
impl Mailer for OneHangs {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        if mail.subject() == "hangs" {
            sleep(1000 * HOUR).await;
        }
        self.0.send(mail).await
    }
}

#[tokio::test]
async fn a_mail_that_hangs_delays_no_other() {
    let server = Server::new(|_, _| Ok(()));
    let auth = builder(&server).await.auth;
    let outbox = auth
        .outbox(OneHangs(server.clone()))
        .in_memory()
        .start()
        .await
        .unwrap();
    outbox.send(mail("hangs")).unwrap();
    for number in 0..20 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    sleep(SECOND).await;
    assert_eq!(server.sent().len(), 20);
}

#[tokio::test]
async fn an_outbox_that_is_full_says_so_and_has_room_again() {
    let is_away = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let away = is_away.clone();
    let server = Server::new(move |_, _| match away.load(Ordering::SeqCst) {
        true => Err(failed()),
        false => Ok(()),
    });
    let outbox = builder(&server).await.capacity(5).start().await.unwrap();
    let mut accepted = 0;
    for number in 0..50 {
        match outbox.send(mail(&number.to_string())) {
            Ok(()) => accepted += 1,
            Err(Error::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
        sleep(SECOND).await;
    }
    // As many in the channel as in memory, and one on its way.
    assert!((5..=11).contains(&accepted), "{accepted}");
    is_away.store(false, Ordering::SeqCst);
    sleep(10 * HOUR).await;
    assert_eq!(server.sent().len(), accepted);
    outbox.send(mail("again")).unwrap();
    sleep(HOUR).await;
    assert_eq!(server.sent().len(), accepted + 1);
}

#[tokio::test]
async fn stopping_sends_what_is_due_and_takes_no_more() {
    let server = Server {
        takes: SECOND,
        ..Server::new(|_, _| Ok(()))
    };
    let outbox = outbox(&server).await;
    for number in 0..20 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    outbox.stop().await;
    assert_eq!(server.sent().len(), 20);
    assert!(matches!(
        outbox.send(mail("late")),
        Err(Error::Unavailable(_))
    ));
    // A second time, there is nothing to do.
    outbox.stop().await;
}

#[tokio::test]
async fn stopping_ends_in_time_whatever_hangs() {
    let server = Server {
        takes: 1000 * HOUR,
        ..Server::new(|_, _| Ok(()))
    };
    let outbox = builder(&server).await.capacity(2).start().await.unwrap();
    for number in 0..10 {
        let _ = outbox.send(mail(&number.to_string()));
        sleep(SECOND).await;
    }
    let begun = Instant::now();
    outbox.stop().await;
    assert!(begun.elapsed() <= GRACE + SECOND, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn dropping_the_last_handle_loses_no_mail() {
    let server = Server {
        takes: SECOND,
        ..Server::new(|_, _| Ok(()))
    };
    let outbox = outbox(&server).await;
    for number in 0..20 {
        outbox.send(mail(&number.to_string())).unwrap();
    }
    drop(outbox);
    sleep(HOUR).await;
    assert_eq!(server.sent().len(), 20);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let server = Server::new(|_, _| Ok(()));
    let auth = builder(&server).await.auth;
    for capacity in [0, usize::MAX] {
        let refused = auth.outbox(server.clone()).capacity(capacity).start().await;
        assert!(matches!(
            refused,
            Err(Error::Setting {
                setting: "outbox.capacity",
                ..
            })
        ));
    }
}
