//! The site on Postgres, and while its database is away.

mod support;

use lucia_tests::{Database, Proxy};
use support::{PASSWORD, RunningSite, eventually};

const ADDRESS: &str = "ada@example.com";

#[actix_web::test]
async fn the_site_works_on_postgres() {
    let database = Database::new().await;
    let site = RunningSite::on_postgres(database.url()).await;
    let ada = site.confirmed_member(ADDRESS).await;
    eventually(async || ada.get("/security").await.has("Address confirmed")).await;
    assert!(ada.get("/security").await.has("Account created"));
    site.visitor()
        .choose("/login/with/demo", "grace")
        .await
        .leads_to();
    ada.post("/security/delete", &[]).await.leads_to();
    let client = database.connect().await;
    let sql = "SELECT count(*) FROM activity WHERE event = 'email_verified'";
    eventually(async || client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0).await;
}

#[actix_web::test]
async fn while_the_database_is_away_pages_say_so_and_all_users_stay_signed_in() {
    let database = Database::new().await;
    let proxy = Proxy::before(&database).await;
    let site = RunningSite::on_postgres(database.url_by(proxy.port())).await;
    let ada = site.member(ADDRESS).await;
    proxy.cut();
    // The cache notices a moment later.
    eventually(async || ada.get("/home").await.status == 503).await;
    for path in ["/home", "/security", "/"] {
        let page = ada.get(path).await;
        assert_eq!(
            (page.status, page.heading()),
            (503, "Try again in a moment"),
            "{path}"
        );
        assert!(page.has("you still are") && page.header("set-cookie").is_none());
    }
    // A form says it in its place, and keeps what was typed.
    let bob = site.visitor();
    let later = "We cannot do this just now. Nothing was changed. Try again in a moment.";
    let form = [
        ("name", "Bob"),
        ("email", "bob@example.com"),
        ("password", PASSWORD),
    ];
    for (path, form) in [
        ("/login", &form[1..]),
        ("/signup", &form[..]),
        ("/forgot", &form[1..2]),
        ("/login/email", &form[1..2]),
    ] {
        let page = bob.post(path, form).await;
        assert_eq!((page.status, page.alert()), (503, Some(later)), "{path}");
        assert!(page.has("value=\"bob@example.com\""));
    }
    // The pages without an account in them are there.
    assert_eq!(bob.get("/login").await.status, 200);
    proxy.heal();
    eventually(async || ada.get("/home").await.status == 200).await;
    assert_eq!(bob.post("/signup", &form).await.leads_to(), "/verify/sent");
}
