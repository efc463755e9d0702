//! A change of an address that its user did not want is undone, whatever the other person does meanwhile.

use futures_util::future::join_all;
use lucia::{Auth, Error, NewKey, Session, SignInLink, UserId};

use super::change_email::{
    DAY, NEW, OLD, TOLD, changed, form, has_key, site, token, unverified, user,
};
use crate::support::{PASSWORD, Site, Stage, on_each_store, request_of, request_to};

on_each_store![
    r62_keys_that_were_added_since_the_change_end_with_the_undo,
    r62_a_key_that_was_verified_since_the_change_opens_nothing_after_the_undo,
    r62_an_undo_needs_no_key_of_the_other_person,
    r62_an_undo_creates_no_user_anew,
    r62_an_undo_outlives_another_change_to_the_same_address,
    r62_an_undo_that_fails_at_any_step_can_be_repeated,
    r62_of_ten_undos_at_once_in_two_processes_one_signs_in,
    r62_a_change_whose_answer_was_lost_gives_its_undo_again,
    r62_a_link_that_has_changed_an_address_changes_no_other,
    r62_one_undo_ends_all_links_that_undo_the_same_change,
    r62_two_changes_are_undone_in_any_order,
    r62_r63_an_account_whose_change_can_be_undone_is_not_given_away,
    r62_the_change_of_another_user_keeps_nobody_from_changing_an_address,
];

const SECOND: &str = "ada@second.example";
const THIRD: &str = "thief@example.net";

/// The ids of the keys of a user.
async fn keys(auth: &Auth, session: &Session) -> Vec<String> {
    let keys = auth.user_keys(&session.user_id).await.unwrap();
    let ids = keys.iter().map(|key| &key.id);
    ids.map(|id| format!("{}:{}", id.provider_id(), id.provider_user_id()))
        .collect()
}

/// Undoes the change in a new browser.
async fn undo(site: &Site, token: &str) -> u16 {
    site.browser().post("/undo", &form(token)).await.status
}

async fn r62_keys_that_were_added_since_the_change_end_with_the_undo(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let github = NewKey::without_password(("github", "1815"));
    let nickname = NewKey::with_password(("username", "ada"), PASSWORD);
    for key in [github, nickname] {
        auth.create_key(&ada.user_id, key).await.unwrap();
    }
    let token = changed(&site.browser_of(&ada), OLD, NEW).await;
    // Three ways for the other person to come back.
    let added = [
        NewKey::without_password(("github", "666")),
        NewKey::with_password(("username", "mallory"), PASSWORD),
        NewKey::with_password(("email", THIRD), PASSWORD).verified(),
    ];
    for key in added {
        auth.create_key(&ada.user_id, key).await.unwrap();
    }
    let link = request_to(auth).create_sign_in_link(("email", THIRD)).await;
    let link = link.unwrap().unwrap();

    assert_eq!(undo(&site, &token).await, 204);
    let left = ["email:ada@example.com", "github:1815", "username:ada"];
    assert_eq!(keys(auth, &ada).await, left);
    auth.trusted_key(("github", "1815")).await.unwrap();
    let opened = auth.trusted_key(("github", "666")).await;
    assert!(
        matches!(opened, Err(Error::InvalidCredentials)),
        "{opened:?}"
    );
    let opened = auth.check_sign_in_link(link.token.expose()).await;
    assert!(
        matches!(opened, Err(Error::InvalidOneTimeToken)),
        "{opened:?}"
    );
    assert!(!has_key(&site, NEW).await);
}

async fn r62_a_key_that_was_verified_since_the_change_opens_nothing_after_the_undo(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let second = NewKey::with_password(("email", SECOND), PASSWORD).verified();
    auth.create_key(&ada.user_id, second).await.unwrap();
    // Added before the change, and proved after it.
    let third = NewKey::with_password(("email", THIRD), PASSWORD);
    auth.create_key(&ada.user_id, third).await.unwrap();
    let token = changed(&site.browser_of(&ada), OLD, NEW).await;
    stage.verify_key(&format!("email:{THIRD}")).await;

    assert_eq!(undo(&site, &token).await, 204);
    for (address, is_verified) in [(OLD, true), (SECOND, true), (THIRD, false)] {
        let key = auth.key(("email", address)).await.unwrap().unwrap();
        assert_eq!(key.verified_at.is_some(), is_verified, "{address}");
        assert!(!key.has_password, "{address}");
    }
}

async fn r62_an_undo_needs_no_key_of_the_other_person(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let token = changed(&site.browser_of(&ada), OLD, NEW).await;
    // They take the way back away, and have another key.
    let github = NewKey::without_password(("github", "666"));
    auth.create_key(&ada.user_id, github).await.unwrap();
    auth.delete_key(("email", NEW)).await.unwrap();
    let page = site.browser().get(&format!("/undo?token={token}")).await;
    assert_eq!((page.status, &*page.body), (200, OLD));

    let owner = site.browser();
    assert_eq!(owner.post("/undo", &form(&token)).await.status, 204);
    assert_eq!(owner.get("/me").await.status, 200);
    assert_eq!(keys(auth, &ada).await, ["email:ada@example.com"]);
    let thief = site.browser_of(&ada);
    assert_eq!(thief.get("/me").await.status, 401);

    // The new address is another user's by now.
    let token = changed(&owner, OLD, NEW).await;
    auth.delete_key(("email", NEW))
        .even_if_last()
        .await
        .unwrap();
    let eve = user(auth, NEW).await;
    // What is noted of it does not count where she undoes a change of her own.
    let second = NewKey::with_password(("email", SECOND), PASSWORD).verified();
    auth.create_key(&eve.user_id, second).await.unwrap();
    let hers = changed(&site.browser_of(&eve), SECOND, THIRD).await;
    assert_eq!(undo(&site, &hers).await, 204);
    let both = ["email:ada@example.org", "email:ada@second.example"];
    assert_eq!(keys(auth, &eve).await, both);
    let eve = auth.create_session(&eve.user_id).await.unwrap();

    assert_eq!(undo(&site, &token).await, 204);
    assert_eq!(keys(auth, &ada).await, ["email:ada@example.com"]);
    assert_eq!(keys(auth, &eve).await, both);
    assert_eq!(site.browser_of(&eve).get("/me").await.status, 200);
}

async fn r62_an_undo_creates_no_user_anew(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let token = changed(&site.browser_of(&ada), OLD, NEW).await;
    auth.delete_user(&ada.user_id).await.unwrap();
    let reply = site.browser().post("/undo", &form(&token)).await;
    assert_eq!((reply.status, &*reply.body), (400, TOLD));
    // Neither is the key of another user with this address taken.
    let eve = unverified(auth, OLD).await;
    assert_eq!(undo(&site, &token).await, 400);
    assert_eq!(keys(auth, &eve).await, ["email:ada@example.com"]);
}

async fn r62_an_undo_outlives_another_change_to_the_same_address(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let undone = changed(&site.browser_of(&ada), OLD, NEW).await;
    // The other person frees the address, and gives it to an account of theirs.
    let deletion = auth.delete_key(("email", NEW)).even_if_last();
    deletion.await.unwrap();
    let mallory = user(auth, THIRD).await;
    let browser = site.browser_of(&mallory);
    let link = token(&browser, THIRD, NEW).await;
    let reply = browser.post("/change", &form(&link)).await;
    assert_eq!((reply.status, &*reply.body), (400, TOLD));

    assert_eq!(undo(&site, &undone).await, 204);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);

    // It happens while theirs is on its way, in another process.
    let elsewhere = Auth::builder(stage.store().await).clock(stage.clock.reader());
    let elsewhere = elsewhere.build().unwrap();
    let ada = auth.trusted_key(("email", OLD)).await.unwrap();
    let ada = auth.create_session(&ada).await.unwrap();
    let wanted = token(&site.browser_of(&ada), OLD, NEW).await;
    stage.probe.halt("write_key");
    let meanwhile = async {
        stage.probe.arrived("write_key").await;
        let changing = request_of(&elsewhere, &ada);
        let changed = changing.change_email(&wanted).await.unwrap();
        let deletion = elsewhere.delete_key(("email", NEW)).even_if_last();
        deletion.await.unwrap();
        stage.probe.release("write_key");
        changed.undo.unwrap().token
    };
    let posted = form(&link);
    let (reply, undone) = tokio::join!(browser.post("/change", &posted), meanwhile);
    assert_eq!((reply.status, &*reply.body), (400, TOLD));
    assert!(has_key(&site, THIRD).await && !has_key(&site, NEW).await);
    assert_eq!(undo(&site, undone.expose()).await, 204);
    assert!(has_key(&site, OLD).await);

    // Now nothing is left to undo.
    assert_eq!(browser.post("/change", &form(&link)).await.status, 200);
}

async fn r62_an_undo_that_fails_at_any_step_can_be_repeated(stage: Stage) {
    let site = site(&stage).await;
    let ada = user(&site.auth, OLD).await;
    let token = changed(&site.browser_of(&ada), OLD, NEW).await;
    stage.probe.calls();
    assert_eq!(undo(&site, &token).await, 204);
    let mut steps = stage.probe.calls();
    // What comes behind has changed everything. The owner has their address, and can sign in by it.
    let last = steps.iter().position(|step| *step == "claim_key").unwrap();
    steps.truncate(last + 1);
    steps.dedup();

    let ada = site.auth.trusted_key(("email", OLD)).await.unwrap();
    let ada = site.auth.create_session(&ada).await.unwrap();
    let token = changed(&site.browser_of(&ada), OLD, NEW).await;
    for step in steps {
        stage.probe.halt(step);
        let outage = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let (status, ()) = tokio::join!(undo(&site, &token), outage);
        stage.probe.set_down(false);
        assert_eq!(status, 503, "{step}");
        let page = site.browser().get(&format!("/undo?token={token}")).await;
        assert_eq!((page.status, &*page.body), (200, OLD), "{step}");
    }
    assert_eq!(undo(&site, &token).await, 204);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
}

async fn r62_of_ten_undos_at_once_in_two_processes_one_signs_in(stage: Stage) {
    let (one, other) = (site(&stage).await, site(&stage).await);
    let ada = user(&one.auth, OLD).await;
    let token = changed(&one.browser_of(&ada), OLD, NEW).await;
    let browsers: Vec<_> = (0..10)
        .map(|number| [&one, &other][number % 2].browser())
        .collect();
    let undos = browsers.iter().map(async |browser| {
        let reply = browser.post("/undo", &form(&token)).await;
        reply.status
    });
    let statuses = join_all(undos).await;
    let winner = statuses.iter().position(|status| *status == 204);
    let winner = &browsers[winner.unwrap()];
    let refused = statuses.iter().filter(|status| **status == 400);
    assert_eq!(refused.count(), 9, "{statuses:?}");
    // None of the others has ended what the winner got.
    assert_eq!(winner.get("/me").await.status, 200);
    assert_eq!(stage.count("user_session").await, 1);
}

async fn r62_a_change_whose_answer_was_lost_gives_its_undo_again(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let browser = site.browser_of(&ada);
    let link = token(&browser, OLD, NEW).await;
    // The store fails when the address has changed.
    stage.probe.calls();
    stage.probe.halt("insert_token");
    let posted = form(&link);
    let outage = async {
        stage.probe.arrived("insert_token").await;
        stage.probe.set_down(true);
        stage.probe.release("insert_token");
    };
    let (reply, ()) = tokio::join!(browser.post("/change", &posted), outage);
    stage.probe.set_down(false);
    assert_eq!(reply.status, 503);
    assert!(has_key(&site, NEW).await && !has_key(&site, OLD).await);

    // The answer is lost.
    let reply = browser.post("/change", &posted).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let (_, lost) = reply.body.split_once(' ').unwrap();

    // Only the user gets it again.
    let bob = user(auth, "bob@example.com").await;
    for (stranger, status) in [(site.browser(), 401), (site.browser_of(&bob), 400)] {
        let reply = stranger.post("/change", &posted).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    let reply = browser.post("/change", &posted).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let (former, again) = reply.body.split_once(' ').unwrap();
    assert_eq!(former, OLD);
    assert_ne!(lost, again);
    for token in [lost, again] {
        auth.check_email_change_undo(token).await.unwrap();
    }
    assert_eq!(undo(&site, again).await, 204);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
    // And not when it was undone.
    let key = auth.trusted_key(("email", OLD)).await.unwrap();
    let owner = auth.create_session(&key).await.unwrap();
    let reply = site.browser_of(&owner).post("/change", &posted).await;
    assert_eq!((reply.status, &*reply.body), (400, TOLD));
}

async fn r62_a_link_that_has_changed_an_address_changes_no_other(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    // Of an address that nothing has proved, there is no undo to give again.
    let ada = unverified(auth, OLD).await;
    let browser = site.browser_of(&ada);
    let first = token(&browser, OLD, NEW).await;
    assert_eq!(browser.post("/change", &form(&first)).await.status, 200);
    auth.delete_key(("email", NEW))
        .even_if_last()
        .await
        .unwrap();
    let again = NewKey::with_password(("email", OLD), PASSWORD);
    auth.create_key(&ada.user_id, again.clone()).await.unwrap();
    assert_eq!(browser.post("/change", &form(&first)).await.status, 400);
    auth.delete_key(("email", OLD))
        .even_if_last()
        .await
        .unwrap();

    auth.create_key(&ada.user_id, again.verified())
        .await
        .unwrap();
    let second = token(&browser, OLD, NEW).await;
    assert_eq!(browser.post("/change", &form(&second)).await.status, 200);
    auth.delete_key(("email", NEW))
        .even_if_last()
        .await
        .unwrap();
    let again = NewKey::with_password(("email", OLD), PASSWORD).verified();
    auth.create_key(&ada.user_id, again).await.unwrap();
    assert_eq!(browser.post("/change", &form(&second)).await.status, 400);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
}

async fn r62_one_undo_ends_all_links_that_undo_the_same_change(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let browser = site.browser_of(&ada);
    let link = token(&browser, OLD, NEW).await;
    let mut undos = Vec::new();
    for _ in 0..3 {
        let reply = browser.post("/change", &form(&link)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        undos.push(reply.body.split_once(' ').unwrap().1.to_owned());
    }
    let owner = site.browser();
    assert_eq!(owner.post("/undo", &form(&undos[1])).await.status, 204);
    for undone in &undos {
        assert_eq!(undo(&site, undone).await, 400);
        let checked = auth.check_email_change_undo(undone).await;
        assert!(
            matches!(checked, Err(Error::InvalidOneTimeToken)),
            "{checked:?}"
        );
    }
    assert_eq!(owner.get("/me").await.status, 200);
    // They do not undo the next change either, which the owner wants.
    let next = changed(&owner, OLD, NEW).await;
    assert_eq!(undo(&site, &undos[0]).await, 400);
    assert!(has_key(&site, NEW).await);
    assert_eq!(undo(&site, &next).await, 204);
}

async fn r62_two_changes_are_undone_in_any_order(stage: Stage) {
    const THIEVES: &str = "second@example.net";

    let site = site(&stage).await;
    let auth = &site.auth;
    for first in [0, 1] {
        let ada = user(auth, OLD).await;
        let second = NewKey::with_password(("email", SECOND), PASSWORD).verified();
        auth.create_key(&ada.user_id, second).await.unwrap();
        let thief = site.browser_of(&ada);
        let undos = [
            changed(&thief, OLD, NEW).await,
            changed(&thief, SECOND, THIEVES).await,
        ];
        assert_eq!(undo(&site, &undos[first]).await, 204);
        assert_eq!(undo(&site, &undos[1 - first]).await, 204);
        let both = ["email:ada@example.com", "email:ada@second.example"];
        assert_eq!(keys(auth, &ada).await, both, "{first}");
        for key in auth.user_keys(&ada.user_id).await.unwrap() {
            assert!(key.verified_at.is_some(), "{key:?}");
        }
        auth.delete_user(&ada.user_id).await.unwrap();
    }
}

/// The account is not given to the owner of another address while the former address can take it back.
async fn r62_r63_an_account_whose_change_can_be_undone_is_not_given_away(stage: Stage) {
    is_not_given_away(&stage, str::to_owned).await;
}

/// As before, where the database knows the user of the other key by another spelling.
#[tokio::test]
async fn r62_r63_nor_is_one_with_a_key_by_another_spelling_of_the_id() {
    let stage = Stage::postgres().await;
    stage.change_type_of_user_ids("CITEXT").await;
    is_not_given_away(&stage, str::to_uppercase).await;
}

async fn is_not_given_away(stage: &Stage, spelled: fn(&str) -> String) {
    let site = site(stage).await;
    let auth = &site.auth;
    let mallory = user(auth, OLD).await;
    let token = changed(&site.browser_of(&mallory), OLD, NEW).await;
    // Only an address that is not theirs is left.
    let stuffed = NewKey::with_password(("email", SECOND), PASSWORD);
    let id = UserId::new(spelled(mallory.user_id.as_str())).unwrap();
    auth.create_key(&id, stuffed).await.unwrap();
    auth.delete_key(("email", NEW)).await.unwrap();

    let open = async || {
        let owner = request_to(auth);
        let link = owner.create_sign_in_link(("email", SECOND)).await;
        let token = link.unwrap().unwrap().token;
        owner.sign_in(SignInLink::new(token.expose())).await
    };
    let opened = open().await;
    assert!(matches!(opened, Err(Error::Unauthenticated)), "{opened:?}");
    let key = auth.key(("email", SECOND)).await.unwrap().unwrap();
    assert_eq!((key.verified_at, key.has_password), (None, true));

    // When it cannot any more, it is.
    stage.clock.advance(7 * DAY);
    let session = open().await.unwrap();
    assert_eq!(undo(&site, &token).await, 400);
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/me").await.status, 200);
}

/// The next user of an address can change it, also if another user got it by a change that can still be undone.
async fn r62_the_change_of_another_user_keeps_nobody_from_changing_an_address(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    changed(&site.browser_of(&ada), OLD, NEW).await;
    auth.delete_user(&ada.user_id).await.unwrap();
    let eve = user(auth, NEW).await;
    let undo_of_hers = changed(&site.browser_of(&eve), NEW, THIRD).await;
    assert_eq!(undo(&site, &undo_of_hers).await, 204);
    assert_eq!(keys(auth, &eve).await, ["email:ada@example.org"]);
}
