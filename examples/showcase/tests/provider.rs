//! Signing in by a provider, and linking it: the demo provider, which the site treats like any other.

mod support;

use support::{PASSWORD, RunningSite};

const ADDRESS: &str = "ada@example.com";

#[actix_web::test]
async fn a_person_signs_up_and_in_by_the_demo_provider() {
    let site = RunningSite::start().await;
    assert!(
        site.visitor()
            .get("/login")
            .await
            .has("Continue with Demo provider")
    );
    for _ in 0..2 {
        let ada = site.visitor();
        let page = ada.choose("/login/with/demo?next=/security", "ada").await;
        assert_eq!(page.leads_to(), "/security");
        let page = ada.get("/security").await;
        assert!(page.has("Ada Lovelace") && page.has("Unlink Demo provider"));
    }
    // The same person, on two devices.
    let ada = site.visitor();
    ada.choose("/login/with/demo", "ada").await;
    assert_eq!(ada.get("/security").await.devices().len(), 2);
    // Another person is another user.
    let grace = site.visitor();
    grace.choose("/login/with/demo", "grace").await;
    let page = grace.get("/security").await;
    assert!(page.has("Grace Hopper") && page.devices().is_empty());
    // The provider has their password.
    let page = grace.get("/security/password").await;
    assert_eq!((page.status, page.heading()), (404, "No password here"));
}

#[actix_web::test]
async fn a_person_who_cancels_or_comes_back_twice_is_told_what_to_do() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    let page = ada.choose("/login/with/demo", "").await;
    assert_eq!((page.status, page.heading()), (403, "You cancelled"));
    assert!(page.has("href=\"/login\""));

    let question = ada.get("/login/with/demo").await.leads_to().to_owned();
    let answer = ada.post(&question, &[("person", "ada")]).await;
    let stranger = site.visitor();
    let page = stranger.get(answer.leads_to()).await;
    assert_eq!(
        (page.status, page.heading()),
        (400, "This sign-in cannot be finished")
    );
    assert!(!stranger.is_signed_in().await);
    assert_eq!(ada.get(answer.leads_to()).await.leads_to(), "/home");
    assert_eq!(ada.get(answer.leads_to()).await.status, 400);
    assert_eq!(ada.get("/login/with/nobody").await.status, 404);
}

#[actix_web::test]
async fn the_demo_provider_answers_this_site_alone() {
    let site = RunningSite::start().await;
    let visitor = site.visitor();
    let question = visitor.get("/login/with/demo").await.leads_to().to_owned();
    for (part, other) in [
        ("client_id=showcase", "client_id=other"),
        ("%2Flogin%2Fwith%2Fdemo%2Fcallback", "%2Fhome"),
        ("code_challenge_method=S256", "code_challenge_method=plain"),
        ("response_type=code", "response_type=token"),
    ] {
        assert!(question.contains(part), "{question}");
        let question = question.replace(part, other);
        assert_eq!(visitor.get(&question).await.status, 400);
        assert_eq!(
            visitor.post(&question, &[("person", "ada")]).await.status,
            400
        );
    }
    // A code is worth nothing without the client's secret.
    let answer = visitor.post(&question, &[("person", "ada")]).await;
    let query = answer.leads_to().split_once('?').unwrap().1;
    let (_, code) = url::form_urlencoded::parse(query.as_bytes())
        .next()
        .unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        (
            "redirect_uri",
            &format!("{}/login/with/demo/callback", site.origin),
        ),
        ("code_verifier", "guessed"),
    ];
    let page = visitor.post("/demo-provider/token", &form).await;
    assert_eq!(page.status, 401);
    assert!(page.has("invalid_client"));
}

#[actix_web::test]
async fn an_account_is_linked_used_and_unlinked() {
    let site = RunningSite::start().await;
    let ada = site.confirmed_member(ADDRESS).await;
    let page = ada.post("/security/link", &[("provider", "demo")]).await;
    let page = ada.decide(page.leads_to(), "ada").await;
    let page = ada.get(page.leads_to()).await;
    assert!(page.notice().unwrap().contains("is linked"));
    assert!(page.has("Unlink Demo provider"));

    // It opens the same account, and no other one can have it.
    let phone = site.visitor();
    phone.choose("/login/with/demo", "ada").await;
    assert!(phone.get("/security").await.has(ADDRESS));
    let bob = site.confirmed_member("bob@example.com").await;
    let page = bob.post("/security/link", &[("provider", "demo")]).await;
    let page = bob.decide(page.leads_to(), "ada").await;
    assert_eq!(
        (page.status, page.heading()),
        (409, "Linked to another user")
    );

    // Another user's is not unlinked.
    let demo = [("provider", "demo"), ("subject", "ada")];
    bob.post("/security/unlink", &demo).await;
    assert!(ada.get("/security").await.has("Unlink Demo provider"));
    let page = ada.post("/security/unlink", &demo).await;
    let page = ada.get(page.leads_to()).await;
    assert!(page.notice().unwrap().contains("not linked any more"));
    assert!(page.has("aria-label=\"Link Demo provider\""));
}

#[actix_web::test]
async fn the_last_way_to_sign_in_stays() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.choose("/login/with/demo", "ada").await;
    let demo = [("provider", "demo"), ("subject", "ada")];
    let page = ada.post("/security/unlink", &demo).await;
    assert_eq!(
        (page.status, page.heading()),
        (409, "This is your only way to sign in")
    );
    assert!(ada.get("/security").await.has("Unlink Demo provider"));
}

#[actix_web::test]
async fn a_provider_confirms_who_a_person_is_and_no_other_person() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.choose("/login/with/demo", "ada").await;
    site.age_sign_ins();
    let page = ada.get("/security/delete").await;
    assert_eq!(page.leads_to(), "/confirm?next=%2Fsecurity%2Fdelete");
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Confirm that it is you");
    assert!(!page.has("type=\"password\"") && page.has("Confirm with Demo provider"));
    let begin = "/confirm/with/demo?next=/security/delete";
    let page = ada.choose(begin, "grace").await;
    assert_eq!(
        (page.status, page.heading()),
        (403, "That is another account")
    );
    assert_eq!(ada.get("/security/delete").await.status, 303);
    let page = ada.choose(begin, "ada").await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.leads_to(), "/security/delete");
    assert_eq!(ada.get("/security/delete").await.status, 200);
}

#[actix_web::test]
async fn without_a_recent_sign_in_nothing_is_linked() {
    let site = RunningSite::start().await;
    let ada = site.confirmed_member(ADDRESS).await;
    site.age_sign_ins();
    let page = ada.post("/security/link", &[("provider", "demo")]).await;
    assert_eq!(page.leads_to(), "/confirm");
    let page = ada.post("/confirm", &[("password", PASSWORD)]).await;
    assert_eq!(page.leads_to(), "/security");
    let page = ada.post("/security/link", &[("provider", "demo")]).await;
    assert!(page.leads_to().contains("/demo-provider/authorize"));
}
