//! Mails that wait to be sent.

use super::values::{HOSTILE, NOW, all, long};
use crate::store::{MailRow, MailStore, Store, UnixMillis};

pub(super) async fn a_mail_comes_back_as_it_was_stored(store: &dyn Store) {
    let mut stored = vec![mail(0)];
    for (number, text) in (10..).zip(HOSTILE) {
        stored.push(MailRow {
            recipient: text.to_owned(),
            subject: text.to_owned(),
            text: text.to_owned(),
            html: Some(text.to_owned()),
            expires: Some(UnixMillis(NOW + 7)),
            ..mail(number)
        });
    }
    let text = long().to_string();
    stored.push(MailRow {
        html: Some(text.clone()),
        text,
        created_at: UnixMillis(NOW - 7),
        expires: Some(UnixMillis(i64::MAX)),
        ..mail(1)
    });
    for mail in &stored {
        insert(store, mail).await;
        let claimed = claim(store, NOW, NOW + 1).await;
        let expected = MailRow {
            attempts: 1,
            due: UnixMillis(NOW + 1),
            ..mail.clone()
        };
        assert_eq!(claimed.as_ref(), Some(&expected));
        assert!(delete(store, &mail.id).await);
    }
}

pub(super) async fn a_mail_is_claimed_when_it_is_due_and_the_first_one_first(store: &dyn Store) {
    for (number, due) in [(1, NOW - 1), (2, NOW + 2), (3, NOW), (4, NOW + 1)] {
        let due = UnixMillis(due);
        insert(
            store,
            &MailRow {
                due,
                ..mail(number)
            },
        )
        .await;
    }
    for number in [1, 3] {
        let claimed = claim(store, NOW, NOW + 100).await;
        assert_eq!(claimed.map(|it| it.id), Some(id(number)));
    }
    assert_eq!(claim(store, NOW, NOW + 100).await, None);
    for number in [4, 2] {
        let claimed = claim(store, NOW + 2, NOW + 100).await;
        assert_eq!(claimed.map(|it| it.id), Some(id(number)));
    }
    assert_eq!(claim(store, NOW + 99, NOW + 200).await, None);
}

pub(super) async fn a_claim_ends_and_each_one_is_counted(store: &dyn Store) {
    insert(store, &mail(1)).await;
    for attempts in 1..4 {
        let now = NOW + 10 * i64::from(attempts);
        let claimed = claim(store, now, now + 10).await.expect("it is due");
        assert_eq!(
            (claimed.attempts, claimed.due),
            (attempts, UnixMillis(now + 10))
        );
        assert_eq!(claim(store, now + 9, now + 20).await, None);
    }
}

pub(super) async fn of_fifty_that_claim_at_once_each_gets_another_mail(store: &dyn Store) {
    for number in 0..20 {
        insert(store, &mail(number)).await;
    }
    let claimed = all((0..50).map(|_| claim(store, NOW, NOW + 1000))).await;
    let mut ids: Vec<_> = claimed.into_iter().flatten().map(|it| it.id).collect();
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "a mail is claimed twice");
    // One that meets others may find none, and leaves none for long.
    while let Some(claimed) = claim(store, NOW, NOW + 1000).await {
        assert!(!ids.contains(&claimed.id), "a mail is claimed twice");
        ids.push(claimed.id);
    }
    assert_eq!(ids.len(), 20);
}

pub(super) async fn a_mail_is_postponed_by_its_last_claim_alone(store: &dyn Store) {
    insert(store, &mail(1)).await;
    insert(store, &mail(2)).await;
    for _ in 0..2 {
        claim(store, NOW, NOW + 10).await.expect("both are due");
    }
    assert!(postpone(store, 1, 1, NOW + 5).await);
    let claimed = claim(store, NOW + 5, NOW + 20).await.expect("it is due");
    assert_eq!((claimed.id, claimed.attempts), (id(1), 2));
    // By the claim before that, which has ended.
    assert!(!postpone(store, 1, 1, NOW).await);
    assert!(!postpone(store, 3, 1, NOW).await);
    assert_eq!(claim(store, NOW + 9, NOW + 30).await, None);
    // It does not count as a claim.
    assert!(postpone(store, 1, 2, NOW + 8).await && postpone(store, 1, 2, NOW + 9).await);
    let claimed = claim(store, NOW + 9, NOW + 30).await.expect("it is due");
    assert_eq!((claimed.id, claimed.attempts), (id(1), 3));
}

pub(super) async fn a_deleted_mail_is_gone_and_others_stay(store: &dyn Store) {
    insert(store, &mail(1)).await;
    insert(store, &mail(2)).await;
    assert!(delete(store, &id(1)).await);
    assert!(!delete(store, &id(1)).await && !delete(store, &id(3)).await);
    assert!(!postpone(store, 1, 0, NOW).await);
    let claimed = claim(store, NOW, NOW + 1).await;
    assert_eq!(claimed.map(|it| it.id), Some(id(2)));
    assert_eq!(claim(store, NOW, NOW + 1).await, None);
    assert!(
        delete(store, &id(2)).await,
        "a mail that is claimed is deleted"
    );
    assert_eq!(claim(store, i64::MAX, i64::MAX).await, None);
}

pub(super) async fn a_mail_that_is_stored_again_stays_as_it_is(store: &dyn Store) {
    insert(store, &mail(1)).await;
    claim(store, NOW, NOW + 10).await.expect("it is due");
    let text = "another".to_owned();
    insert(store, &MailRow { text, ..mail(1) }).await;
    assert_eq!(claim(store, NOW, NOW + 10).await, None);
    let claimed = claim(store, NOW + 10, NOW + 20).await.expect("it is due");
    assert_eq!((claimed.attempts, claimed.text), (2, mail(1).text));
    assert_eq!(claim(store, NOW + 10, NOW + 20).await, None);
}

fn mails_of(store: &dyn Store) -> &dyn MailStore {
    store.mails().expect("a store of mails")
}

fn id(number: u64) -> String {
    format!("mail {number}")
}

fn mail(number: u64) -> MailRow {
    let (recipient, text) = ("ada@example.com".to_owned(), format!("text {number}"));
    MailRow::new(
        id(number),
        recipient,
        "subject".to_owned(),
        text,
        UnixMillis(NOW),
    )
}

async fn insert(store: &dyn Store, mail: &MailRow) {
    let inserted = mails_of(store).insert_mail(mail.clone()).await;
    inserted.expect("a mail is stored");
}

async fn claim(store: &dyn Store, now: i64, until: i64) -> Option<MailRow> {
    let claimed = mails_of(store).claim_mail(UnixMillis(now), UnixMillis(until));
    claimed.await.expect("a mail is claimed")
}

async fn postpone(store: &dyn Store, number: u64, attempts: u32, due: i64) -> bool {
    let id = id(number);
    let postponed = mails_of(store).postpone_mail(&id, attempts, UnixMillis(due));
    postponed.await.expect("a mail is postponed")
}

async fn delete(store: &dyn Store, id: &str) -> bool {
    let deleted = mails_of(store).delete_mail(id).await;
    deleted.expect("a mail is deleted")
}
