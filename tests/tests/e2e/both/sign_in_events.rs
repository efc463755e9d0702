//! What hooks are told of sign-ins by links, codes and other proofs.

use lucia::{Auth, Event, NewKey, SignInCode, SignInLink};
use lucia_tests::watch;
use serde::Deserialize;

use super::framework::{Data, Form, Response, Routes, answer, auth_request, front_page, serve};
use super::sign_in::login;
use crate::support::{
    Browser, PASSWORD, Site, Stage, Told, name, on_each_store, request_to, sign_up,
};

on_each_store![
    r69_a_refused_link_or_code_is_told_as_a_sign_in_that_failed,
    r69_a_sign_in_says_by_which_method,
];

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[derive(Deserialize)]
struct Code {
    name: String,
    code: String,
}

#[auth_request]
async fn link(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.sign_in(SignInLink::new(&form.token)).await?;
    Ok(answer(204, &[], ""))
}

/// Asks for a code.
#[auth_request]
async fn ask(Form(form): Form<Code>) -> lucia::Result<String> {
    let key = ("username", &form.name);
    let created = auth_request.create_sign_in_code(key).await?;
    Ok(created.expect("a code").code.expose().to_owned())
}

#[auth_request]
async fn code(Form(form): Form<Code>) -> lucia::Result<Response> {
    let code = SignInCode::new(("username", &form.name), &form.code);
    auth_request.sign_in(code).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn prove(Form(form): Form<Link>) -> lucia::Result<Response> {
    let link = SignInLink::new(&form.token);
    auth_request.reauthenticate(link).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn prove_by_code(Form(form): Form<Code>) -> lucia::Result<Response> {
    let code = SignInCode::new(("username", &form.name), &form.code);
    auth_request.reauthenticate(code).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn reset(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.reset_password(&form.token, PASSWORD).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn trusted(auth: Data<Auth>) -> lucia::Result<Response> {
    let key = auth.trusted_key(("github", "1815")).await?;
    auth_request.sign_in(key).await?;
    Ok(answer(204, &[], ""))
}

fn routes() -> Routes {
    front_page()
        .post("/link", link)
        .post("/ask", ask)
        .post("/code", code)
        .post("/prove", prove)
        .post("/prove/code", prove_by_code)
        .post("/reset", reset)
        .post("/trusted", trusted)
}

struct Scene {
    site: Site,
    told: Told,
}

impl Scene {
    async fn of(stage: &Stage) -> Self {
        let told = Told::default();
        let builder = stage.builder().await.on_event(told.hook());
        let site = serve(builder.build().unwrap(), routes()).await;
        Self { site, told }
    }

    async fn link(&self, name: &str) -> String {
        let request = request_to(&self.site.auth);
        let created = request.create_sign_in_link(("username", name)).await;
        self.told.events();
        created.unwrap().unwrap().token.expose().to_owned()
    }

    async fn code(&self, browser: &Browser, name: &str) -> String {
        let form = [("name", name), ("code", "")];
        let reply = browser.post("/ask", &form).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        self.told.events();
        reply.body
    }

    /// Posts a form, and compares the status and what is told.
    async fn post(
        &self,
        browser: &Browser,
        path: &str,
        form: &[(&str, &str)],
        status: u16,
        told: &[&str],
    ) -> Vec<Event> {
        let reply = browser.post(path, form).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        self.assert_told(told)
    }

    #[track_caller]
    fn assert_told(&self, told: &[&str]) -> Vec<Event> {
        let events = self.told.events();
        let names: Vec<_> = events.iter().map(with_method).collect();
        assert_eq!(names, told);
        events
    }
}

/// The name of an event, with its reason and method where it has them.
fn with_method(event: &Event) -> String {
    let fields = serde_json::to_value(&event.kind).unwrap();
    match fields.get("method").and_then(|method| method.as_str()) {
        Some(method) => format!("{} by {method}", name(&event.kind)),
        None => name(&event.kind),
    }
}

async fn r69_a_refused_link_or_code_is_told_as_a_sign_in_that_failed(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let auth = &scene.site.auth;
    let ada = sign_up(auth, "ada").await;
    let bob = sign_up(auth, "bob").await;
    for name in ["ada", "bob"] {
        stage.verify_key(&format!("username:{name}")).await;
    }
    let browser = scene.site.browser();

    let used = scene.link("ada").await;
    let told = ["one_time_token_used", "signed_in by link"];
    let form = [("token", &*used)];
    scene.post(&browser, "/link", &form, 204, &told).await;
    let told = [
        "one_time_token_refused",
        "sign_in_failed: invalid_one_time_token by link",
    ];
    for token in ["", "x", &"a".repeat(40), &used] {
        let form = [("token", token)];
        let events = scene.post(&browser, "/link", &form, 400, &told).await;
        assert_eq!(events[1].kind.user_id(), None);
    }

    let right = scene.code(&browser, "ada").await;
    let wrong = if right == "00000000" { "1" } else { "00000000" };
    let told = [
        "one_time_code_refused",
        "sign_in_failed: invalid_one_time_token by code",
    ];
    for (name, code, user_id) in [
        ("ada", wrong, Some(&ada.user_id)),
        ("ada", "", Some(&ada.user_id)),
        ("nobody", &*right, None),
        ("bob", &right, Some(&bob.user_id)),
    ] {
        let form = [("name", name), ("code", code)];
        let events = scene.post(&browser, "/code", &form, 400, &told).await;
        assert_eq!(events[1].kind.user_id(), user_id, "{name}");
    }

    // Another user's.
    let of_ada = scene.site.browser_of(&ada);
    let form = scene.link("bob").await;
    let form = [("token", &*form)];
    let told = ["sign_in_failed: other_user by link"];
    let events = scene.post(&of_ada, "/prove", &form, 400, &told).await;
    assert_eq!(events[0].kind.user_id(), Some(&bob.user_id));
    let code = scene.code(&of_ada, "bob").await;
    let form = [("name", "bob"), ("code", &*code)];
    let told = [
        "one_time_code_refused",
        "sign_in_failed: other_user by code",
    ];
    let events = scene.post(&of_ada, "/prove/code", &form, 400, &told).await;
    assert_eq!(events[1].kind.user_id(), Some(&bob.user_id));

    // The first proof of an address, of a user with another way to sign in.
    let eve = sign_up(auth, "eve").await;
    let github = NewKey::without_password(("github", "1815"));
    auth.create_key(&eve.user_id, github).await.unwrap();
    let log = watch([eve.user_id.as_str()]);
    let form = scene.link("eve").await;
    let form = [("token", &*form)];
    let told = ["sign_in_failed: unverified_address by link"];
    let events = scene.post(&browser, "/link", &form, 401, &told).await;
    assert_eq!(events[0].kind.user_id(), Some(&eve.user_id));
    let code = scene.code(&browser, "eve").await;
    let form = [("name", "eve"), ("code", &*code)];
    let told = [
        "one_time_code_used",
        "sign_in_failed: unverified_address by code",
    ];
    scene.post(&browser, "/code", &form, 401, &told).await;
    let refused = |line: &String| line.contains("address not verified");
    // One line for each.
    let lines = log.lines();
    assert_eq!(lines.into_iter().filter(refused).count(), 2, "{log:?}");

    // Two of ten have failed, and here is an outage.
    let other = scene.site.browser();
    for path in ["/link", "/code"] {
        stage.probe.set_down(true);
        let reply = match path {
            "/link" => other.post(path, &[("token", &*used)]).await,
            _ => other.post(path, &[("name", "ada"), ("code", wrong)]).await,
        };
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503, "{path}");
        let last = scene.told.events().pop().unwrap();
        let told = format!("sign_in_failed: unavailable by {}", &path[1..]);
        assert_eq!(with_method(&last), told);
    }
    let form = [("name", "ada"), ("code", wrong)];
    for _ in 0..8 {
        browser.post("/code", &form).await;
    }
    scene.told.events();
    let form = [("name", "ada"), ("code", &*right)];
    let told = ["sign_in_failed: throttled by code"];
    scene.post(&browser, "/code", &form, 429, &told).await;
}

async fn r69_a_sign_in_says_by_which_method(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let auth = &scene.site.auth;
    let browser = scene.site.browser();
    let ada = login("ada", PASSWORD);
    let told = ["user_created", "signed_in by sign_up"];
    let events = scene.post(&browser, "/signup", &ada, 201, &told).await;
    let user_id = events[0].kind.user_id().unwrap();
    stage.verify_key("username:ada").await;

    let told = ["key_verified by password", "signed_in by password"];
    scene.post(&browser, "/login", &ada, 204, &told).await;
    let told = ["sign_in_failed: wrong_password by password"];
    let wrong = login("ada", "wrong horse battery");
    scene.post(&browser, "/login", &wrong, 401, &told).await;
    let code = scene.code(&browser, "ada").await;
    let form = [("name", "ada"), ("code", &*code)];
    let told = ["one_time_code_used", "signed_in by code"];
    scene.post(&browser, "/code", &form, 204, &told).await;
    let token = scene.link("ada").await;
    let told = ["one_time_token_used", "reauthenticated by link"];
    let form = [("token", &*token)];
    scene.post(&browser, "/prove", &form, 204, &told).await;

    let request = request_to(auth);
    let reset = request.create_password_reset(("username", "ada")).await;
    let reset = reset.unwrap().unwrap().token;
    scene.told.events();
    let form = [("token", reset.expose())];
    let told = [
        "one_time_token_used",
        "one_time_tokens_invalidated",
        "password_reset",
        "signed_in by link",
    ];
    scene.post(&browser, "/reset", &form, 204, &told).await;

    auth.create_session(user_id).await.unwrap();
    scene.assert_told(&["signed_in by application"]);
    let github = NewKey::without_password(("github", "1815"));
    auth.create_key(user_id, github).await.unwrap();
    scene.told.events();
    let told = ["key_verified by application", "signed_in by application"];
    scene.post(&browser, "/trusted", &[], 204, &told).await;
}
