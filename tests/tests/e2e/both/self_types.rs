//! Handlers that are associated functions, and use the type that they belong to.

use std::marker::PhantomData;

use lucia::User;

use super::framework::{Routes, auth_request, authenticated, serve};
use crate::support::{Profile, Stage, sign_up};

trait Word: Send + Sync + 'static {
    const WORD: &'static str;
}

struct Hello;

impl Word for Hello {
    const WORD: &'static str = "Hello";
}

struct Greeting<W>(PhantomData<W>);

impl<W: Word> Greeting<W> {
    fn is_ada(user: User<Profile>) -> bool {
        user.attributes.username == "ada"
    }

    fn to(name: &str) -> String {
        format!("{}, {name}!", W::WORD)
    }

    #[authenticated(permit = Self::is_ada)]
    async fn greet(user: User<Profile>) -> String {
        Self::to(&user.attributes.username)
    }

    #[auth_request]
    async fn leave() -> String {
        auth_request.set_session(None);
        Self::to("you")
    }
}

#[tokio::test]
async fn a_handler_that_uses_self_is_behind_its_guard_and_has_its_cookie_on_the_response() {
    let auth = Stage::sqlite().await.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let bob = sign_up(&auth, "bob").await;
    let routes = Routes::default()
        .get("/greet", Greeting::<Hello>::greet)
        .post("/leave", Greeting::<Hello>::leave);
    let site = serve(auth, routes).await;
    assert_eq!(site.browser().get("/greet").await.status, 401);
    assert_eq!(site.browser_of(&bob).get("/greet").await.status, 403);
    let reply = site.browser_of(&ada).get("/greet").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "Hello, ada!"));
    let reply = site.browser_of(&ada).post("/leave", &[]).await;
    assert_eq!(reply.body, "Hello, you!");
    assert!(reply.removes_cookie());
}
