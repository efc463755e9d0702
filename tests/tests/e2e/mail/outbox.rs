//! `Outbox` over each store, with a real mail server.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lucia::mail::{Mail, Outbox, SmtpMailer};
use lucia::store::{MailRow, UnixMillis};
use lucia::{Auth, Error};
use lucia_tests::{MailServer, watch};
use serde_json::json;

use super::{mail, plain};
use crate::support::{Stage, eventually, on_each_store};

on_each_store![
    mails_arrive_once_each_and_nothing_of_them_stays,
    a_server_that_is_away_and_comes_back_gets_each_mail_once,
    a_server_that_breaks_connections_gets_each_mail_once,
    mails_that_wait_survive_a_restart,
    a_mail_of_a_process_that_was_killed_is_sent_by_another_one,
    two_processes_send_each_mail_once,
    mails_wait_in_memory_while_the_store_is_away,
    logs_say_what_was_given_up_without_addresses_and_texts,
    a_mail_that_has_expired_is_deleted,
    a_mail_that_was_sent_is_not_sent_again_where_it_cannot_be_deleted,
    a_mail_whose_insertion_lost_its_answer_in_an_outage_is_sent_once,
    a_mail_whose_insertion_lost_its_answer_is_sent_once,
    a_missing_table_is_told_at_the_start,
];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

async fn start(auth: &Auth, mailer: SmtpMailer) -> Outbox {
    auth.outbox(mailer).start().await.unwrap()
}

/// How often each subject arrived.
async fn arrived(server: &MailServer) -> BTreeMap<String, usize> {
    let mut subjects = BTreeMap::new();
    for mail in server.mails().await {
        *subjects
            .entry(mail.subject.unwrap_or_default())
            .or_insert(0) += 1;
    }
    subjects
}

fn once_each(subjects: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    subjects.into_iter().map(|subject| (subject, 1)).collect()
}

fn numbers(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| number.to_string())
}

/// The rows that wait.
async fn waiting(stage: &Stage) -> u64 {
    stage.count("outgoing_mail").await
}

async fn mails_arrive_once_each_and_nothing_of_them_stays(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let outbox = start(&stage.auth().await, mailer).await;
    for number in numbers(30) {
        outbox.send(mail(&number)).unwrap();
    }
    eventually(async || server.mails().await.len() >= 30).await;
    eventually(async || waiting(&stage).await == 0).await;
    outbox.stop().await;
    assert_eq!(arrived(&server).await, once_each(numbers(30)));
    assert!(stage.dump().await.is_empty());
    // At most as many connections as tasks.
    assert!(server.connections().await <= 4);
}

async fn a_server_that_is_away_and_comes_back_gets_each_mail_once(stage: Stage) {
    let Some((mut server, mailer)) = plain().await else {
        return;
    };
    server.stop().await;
    let outbox = start(&stage.auth().await, mailer).await;
    for number in numbers(5) {
        outbox.send(mail(&number)).unwrap();
    }
    let tried = "SELECT count(*) FROM outgoing_mail WHERE attempts = 1 AND due > created_at";
    let tried_once = async || stage.value(tried).await.as_deref() == Some("5");
    eventually(tried_once).await;
    server.listen().await;
    stage.clock.advance(10 * SECOND);
    eventually(async || waiting(&stage).await == 0).await;
    assert_eq!(arrived(&server).await, once_each(numbers(5)));
}

async fn a_server_that_breaks_connections_gets_each_mail_once(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    server.behave(json!({ "drops": "to" })).await;
    let outbox = start(&stage.auth().await, mailer).await;
    for number in numbers(5) {
        outbox.send(mail(&number)).unwrap();
    }
    let tried = "SELECT count(*) FROM outgoing_mail WHERE attempts = 1";
    eventually(async || stage.value(tried).await.as_deref() == Some("5")).await;
    server.behave(json!({})).await;
    let patience = Instant::now();
    while waiting(&stage).await > 0 {
        assert!(patience.elapsed() < 2 * MINUTE);
        stage.clock.advance(10 * SECOND);
        tokio::time::sleep(SECOND / 10).await;
    }
    assert_eq!(arrived(&server).await, once_each(numbers(5)));
}

async fn mails_that_wait_survive_a_restart(stage: Stage) {
    let Some((mut server, mailer)) = plain().await else {
        return;
    };
    server.stop().await;
    let outbox = start(&stage.auth().await, mailer).await;
    for number in numbers(5) {
        outbox
            .send(mail(&number).with_html("<p>Grüße</p>"))
            .unwrap();
    }
    outbox.stop().await;
    assert!(matches!(
        outbox.send(mail("late")),
        Err(Error::Unavailable(_))
    ));
    assert_eq!(waiting(&stage).await, 5);
    server.listen().await;
    stage.clock.advance(MINUTE);
    let url = format!("smtp://127.0.0.1:{}?tls=none", server.port());
    let mailer = SmtpMailer::new(&url, "a@example.com").unwrap();
    let _outbox = start(&stage.auth().await, mailer).await;
    eventually(async || waiting(&stage).await == 0).await;
    assert_eq!(arrived(&server).await, once_each(numbers(5)));
    for mail in server.mails().await {
        assert!(mail.html.unwrap().contains("Grüße"));
    }
}

async fn a_mail_of_a_process_that_was_killed_is_sent_by_another_one(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    // It had claimed the mail, and neither sent nor deleted it.
    let store = stage.store().await;
    let mails = store.mails().unwrap();
    let now = UnixMillis::from(stage.clock.now());
    let until = UnixMillis::from(stage.clock.now() + 10 * MINUTE);
    let killed = Mail::new("ada@example.org", "killed", "text").unwrap();
    let row = MailRow::new(
        killed.id().to_owned(),
        killed.to().to_owned(),
        killed.subject().to_owned(),
        killed.text().to_owned(),
        now,
    );
    mails.insert_mail(row).await.unwrap();
    mails.claim_mail(now, until).await.unwrap().unwrap();

    let outbox = start(&stage.auth().await, mailer).await;
    outbox.send(mail("another")).unwrap();
    eventually(async || !server.mails().await.is_empty()).await;
    eventually(async || waiting(&stage).await == 1).await;
    assert_eq!(arrived(&server).await, once_each(["another".to_owned()]));
    stage.clock.advance(10 * MINUTE);
    eventually(async || waiting(&stage).await == 0).await;
    let subjects = ["another".to_owned(), "killed".to_owned()];
    assert_eq!(arrived(&server).await, once_each(subjects));
    let id = format!("<{}@example.com>", killed.id());
    assert_eq!(server.mails().await[1].id.as_deref(), Some(&*id));
}

async fn two_processes_send_each_mail_once(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let url = format!("smtp://127.0.0.1:{}?tls=none", server.port());
    let outboxes = [
        start(&stage.auth().await, mailer).await,
        start(
            &stage.auth().await,
            SmtpMailer::new(&url, "a@example.com").unwrap(),
        )
        .await,
        start(
            &stage.auth().await,
            SmtpMailer::new(&url, "b@example.com").unwrap(),
        )
        .await,
    ];
    for number in 0..60 {
        outboxes[number % 3]
            .send(mail(&number.to_string()))
            .unwrap();
    }
    eventually(async || server.mails().await.len() >= 60).await;
    eventually(async || waiting(&stage).await == 0).await;
    for outbox in &outboxes {
        outbox.stop().await;
    }
    assert_eq!(arrived(&server).await, once_each(numbers(60)));
}

async fn mails_wait_in_memory_while_the_store_is_away(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let outbox = start(&stage.auth().await, mailer).await;
    stage.probe.set_down(true);
    for number in numbers(5) {
        outbox.send(mail(&number)).unwrap();
    }
    eventually(async || server.mails().await.len() >= 5).await;
    stage.probe.set_down(false);
    outbox.stop().await;
    assert_eq!(arrived(&server).await, once_each(numbers(5)));
}

async fn logs_say_what_was_given_up_without_addresses_and_texts(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let unknown =
        json!({ "code": 550, "text": "5.1.1 no such user", "address": "eve@example.org" });
    server.behave(json!({ "refuses": { "to": unknown } })).await;
    let secrets = watch(["eve@example.org", "secret-text", "secret-subject"]);
    let eve = Mail::new("eve@example.org", "secret-subject", "secret-text").unwrap();
    let told = watch([eve.id()]);
    let outbox = start(&stage.auth().await, mailer).await;
    outbox.send(eve).unwrap();
    eventually(async || !told.lines().is_empty()).await;
    eventually(async || waiting(&stage).await == 0).await;
    outbox.stop().await;
    let ours = |line: &String| line.contains("lucia::mail");
    let lines: Vec<_> = told.lines().into_iter().filter(ours).collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("refused") && line.contains("550")),
        "{lines:?}"
    );
    let shown: Vec<_> = secrets
        .lines()
        .into_iter()
        .filter(|line| line.contains("lucia"))
        .collect();
    assert!(shown.is_empty(), "{shown:?}");
}

async fn a_mail_that_has_expired_is_deleted(stage: Stage) {
    let Some((mut server, mailer)) = plain().await else {
        return;
    };
    server.stop().await;
    let outbox = start(&stage.auth().await, mailer).await;
    outbox
        .send(mail("expires").with_lifetime(8 * SECOND))
        .unwrap();
    outbox.send(mail("stays").with_lifetime(MINUTE)).unwrap();
    let tried =
        "SELECT count(*) FROM outgoing_mail WHERE attempts = 1 AND due - created_at < 60000";
    eventually(async || stage.value(tried).await.as_deref() == Some("2")).await;
    server.listen().await;
    stage.clock.advance(10 * SECOND);
    eventually(async || waiting(&stage).await == 0).await;
    outbox.stop().await;
    assert_eq!(arrived(&server).await, once_each(["stays".to_owned()]));
}

async fn a_mail_that_was_sent_is_not_sent_again_where_it_cannot_be_deleted(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let outbox = start(&stage.auth().await, mailer).await;
    stage.probe.halt("delete_mail");
    outbox.send(mail("a")).unwrap();
    stage.probe.arrived("delete_mail").await;
    assert_eq!(arrived(&server).await, once_each(["a".to_owned()]));
    // The store is away for the deletion, and back when the claim ends.
    stage.probe.set_down(true);
    let said = watch(["a mail that was sent may still be in the store"]);
    stage.probe.release("delete_mail");
    eventually(async || !said.lines().is_empty()).await;
    stage.probe.set_down(false);
    assert_eq!(waiting(&stage).await, 1);
    stage.clock.advance(11 * MINUTE);
    eventually(async || waiting(&stage).await == 0).await;
    outbox.stop().await;
    assert_eq!(arrived(&server).await, once_each(["a".to_owned()]));
}

/// Its row is in the database, and the mail in memory as well.
async fn a_mail_whose_insertion_lost_its_answer_in_an_outage_is_sent_once(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let outbox = start(&stage.auth().await, mailer).await;
    let said = watch(["a mail that was sent may still be in the store"]);
    stage.probe.break_after("insert_mail");
    outbox.send(mail("a")).unwrap();
    eventually(async || !said.lines().is_empty()).await;
    assert_eq!(waiting(&stage).await, 1);
    stage.probe.set_down(false);
    eventually(async || waiting(&stage).await == 0).await;
    outbox.stop().await;
    assert_eq!(arrived(&server).await, once_each(["a".to_owned()]));
}

async fn a_mail_whose_insertion_lost_its_answer_is_sent_once(stage: Stage) {
    let Some((server, mailer)) = plain().await else {
        return;
    };
    let outbox = start(&stage.auth().await, mailer).await;
    stage.probe.lose_answers_of("insert_mail");
    for number in numbers(20) {
        outbox.send(mail(&number)).unwrap();
    }
    eventually(async || server.mails().await.len() >= 20).await;
    eventually(async || waiting(&stage).await == 0).await;
    outbox.stop().await;
    assert_eq!(arrived(&server).await, once_each(numbers(20)));
}

async fn a_missing_table_is_told_at_the_start(stage: Stage) {
    let mailer = || SmtpMailer::new("smtp://localhost:1?tls=none", "a@example.com").unwrap();
    let auth = stage.auth().await;
    stage.execute("DROP TABLE outgoing_mail").await;
    match auth.outbox(mailer()).start().await {
        Err(Error::Schema { table, .. }) => assert_eq!(table, "outgoing_mail"),
        other => panic!("{other:?}"),
    }
    // In memory it is not needed.
    auth.outbox(mailer()).in_memory().start().await.unwrap();
}
