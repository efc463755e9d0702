//! An application with customers and staff: two `Auth`s, each with users and a cookie of its own.

use lucia::{Auth, AuthRequest, CookieOptions, Session, User};

use super::framework::{Routes, authenticated, serve};
use crate::support::{Browser, Profile, Reply, Site, Stage, sign_up};

/// Their users are in two databases.
struct Two {
    customers: Stage,
    staff: Stage,
    site: Site,
    customer: Session,
    employee: Session,
}

impl Two {
    async fn new() -> Self {
        let customers = Stage::sqlite().await;
        let staff = Stage::sqlite().await;
        let of_customers = customers.auth().await;
        let cookie = CookieOptions::new().name("__Host-staff");
        let of_staff = staff.builder().await.cookie(cookie).build().unwrap();
        let customer = sign_up(&of_customers, "customer").await;
        let employee = sign_up(&of_staff, "employee").await;
        let routes = routes(&of_customers, &of_staff);
        let site = serve(of_customers, routes).await;
        customers.probe.calls();
        staff.probe.calls();
        Self {
            customers,
            staff,
            site,
            customer,
            employee,
        }
    }

    fn customer(&self) -> Browser {
        self.site.browser_of(&self.customer)
    }

    fn employee(&self) -> Browser {
        let browser = self.site.browser();
        browser.keep("__Host-staff", self.employee.token().expose());
        browser
    }

    /// Somebody who is both.
    fn both(&self) -> Browser {
        let browser = self.employee();
        browser.keep("__Host-auth_session", self.customer.token().expose());
        browser
    }
}

/// What is the staff's is inside of what is the customers'.
fn routes(customers: &Auth, staff: &Auth) -> Routes {
    let inner = Routes::default()
        .get("/name", name)
        .protected(staff)
        .of(staff);
    let guarded = Routes::default().get("/name", guarded_name).of(staff);
    Routes::default()
        .below("/staff", inner)
        .below("/guarded", guarded)
        .get("/name", name)
        .get("/leave", leave)
        .wrapped(customers)
}

async fn name(user: User<Profile>) -> String {
    user.attributes.username
}

async fn leave(auth_request: AuthRequest) -> &'static str {
    auth_request.set_session(None);
    "bye"
}

#[authenticated]
async fn guarded_name(user: User<Profile>) -> String {
    user.attributes.username
}

#[track_caller]
fn assert_reply(reply: &Reply, status: u16, body: &str) {
    assert_eq!((reply.status, reply.body.as_str()), (status, body));
}

#[tokio::test]
async fn who_is_signed_in_with_one_is_not_signed_in_with_the_other() {
    let two = Two::new().await;
    for path in ["/staff/name", "/guarded/name"] {
        assert_reply(&two.customer().get(path).await, 401, "Not signed in.");
        assert_reply(&two.employee().get(path).await, 200, "employee");
        assert_reply(&two.both().get(path).await, 200, "employee");
    }
    assert_reply(&two.customer().get("/name").await, 200, "customer");
    assert_reply(&two.employee().get("/name").await, 401, "Not signed in.");
    assert_reply(&two.both().get("/name").await, 200, "customer");
}

#[tokio::test]
async fn each_asks_its_own_store_once() {
    let two = Two::new().await;
    assert_reply(&two.both().get("/staff/name").await, 200, "employee");
    assert_eq!(two.staff.probe.calls(), ["session_and_user"]);
    assert!(two.customers.probe.calls().is_empty());
}

#[tokio::test]
async fn signing_out_of_one_leaves_the_cookie_of_the_other() {
    let two = Two::new().await;
    let browser = two.both();
    let reply = browser.get("/leave").await;
    assert_reply(&reply, 200, "bye");
    assert!(reply.removes_cookie());
    assert_reply(&browser.get("/staff/name").await, 200, "employee");
}
