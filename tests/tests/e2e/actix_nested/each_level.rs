//! Scopes, resources and routes with the middleware of one `Auth`, and the data of another at the same
//! level or around it.

use std::sync::atomic::Ordering;

use actix_web::guard::{self, Guard};
use actix_web::middleware::{Logger, from_fn};

use super::one_level::{REFUSED, Reached, counting, data, hiding, routes};
use super::*;

/// How a level is given an `Auth` in its data.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spelling {
    Nothing,
    Data,
    Plain,
    Both,
}

const SPELLINGS: [Spelling; 4] = [
    Spelling::Nothing,
    Spelling::Data,
    Spelling::Plain,
    Spelling::Both,
];

impl Spelling {
    fn has_data(self) -> bool {
        matches!(self, Self::Data | Self::Both)
    }

    fn has_plain(self) -> bool {
        matches!(self, Self::Plain | Self::Both)
    }
}

/// What can have a middleware, below an `App`.
const PLACES: [&str; 7] = [
    "scope",
    "hidden",
    "nested",
    "empty",
    "resource",
    "route",
    "unmatched",
];

/// Adds an `Auth` to the data of a scope, a resource, or a `ServiceConfig`.
macro_rules! give {
    ($level:expr, $spelling:expr, $auth:expr) => {{
        let mut level = $level;
        if $spelling.has_data() {
            level = level.app_data(web::Data::new($auth.clone()));
        }
        if $spelling.has_plain() {
            level = level.app_data($auth.clone());
        }
        level
    }};
}

/// A place at `path` with the middleware of `auth`, and `given` in its data.
fn put(
    config: &mut ServiceConfig,
    (place, path): (&str, &str),
    (spelling, given): (Spelling, &Auth),
    auth: &Auth,
    reached: &Reached,
) {
    let middleware = || auth.middleware();
    let configured = |config: &mut ServiceConfig| {
        give!(config, spelling, given);
    };
    let scope = web::scope(path);
    match place {
        "scope" => config.service(
            give!(scope, spelling, given)
                .wrap(middleware())
                .configure(routes(reached)),
        ),
        "hidden" => config.service(
            scope
                .wrap(from_fn(hiding))
                .wrap(middleware())
                .wrap(Logger::default())
                .configure(configured)
                .configure(routes(reached)),
        ),
        // The data is that of a level between the middleware and the `App`.
        "nested" => config.service(
            give!(scope, spelling, given).service(
                web::scope("")
                    .configure(routes(reached))
                    .wrap(from_fn(hiding))
                    .wrap(middleware()),
            ),
        ),
        "empty" => config.service(
            web::scope("").guard(guard_below(path)).service(
                web::scope("")
                    .configure(configured)
                    .service(scope.configure(routes(reached)))
                    .wrap(middleware()),
            ),
        ),
        "resource" | "route" => {
            let count = counting(reached);
            let handlers = [
                ("open", web::get().to(count)),
                ("data", web::get().to(data)),
                ("attribute", web::get().to(attribute)),
                ("user", web::get().to(user)),
            ];
            for (name, route) in handlers {
                let resource = web::resource(format!("{path}/{name}"));
                let resource = give!(resource, spelling, given);
                if place == "route" {
                    config.service(resource.route(route.wrap(middleware())));
                } else {
                    config.service(resource.route(route).wrap(middleware()));
                }
            }
            config
        }
        // The answer to what has no handler is the middleware's as well.
        _ => config.service(
            give!(scope, spelling, given)
                .wrap(middleware())
                .default_service(web::to(counting(reached)))
                .configure(|config| {
                    config.route("/data", web::get().to(data));
                    config.route("/attribute", web::get().to(attribute));
                    config.route("/user", web::get().to(user));
                }),
        ),
    };
}

/// Lets requests below `path` in.
fn guard_below(path: &str) -> impl Guard + use<> {
    let path = format!("{path}/");
    guard::fn_guard(move |context| context.head().uri.path().starts_with(&path))
}

/// Each place below an `App` with A in its data, or with nothing. The place has the middleware of B, and
/// A or B in its data, or nothing.
#[tokio::test]
async fn a_middleware_that_meets_the_data_of_another_auth_refuses_every_request_at_each_level() {
    let three = Three::new().await;
    let mut wrong = String::new();
    let mut checked = [0; 2];
    for around in SPELLINGS {
        let reached = Reached::default();
        let logged = watch([REFUSED]);
        let of_routes = reached.clone();
        let [a, b, _] = three.auths.clone();
        let site = actix::serve_without_auth(
            a.clone(),
            actix::Routes::of_config(move |config| {
                let _ = give!(&mut *config, around, a);
                for place in PLACES {
                    for spelling in SPELLINGS {
                        for (name, given) in [("a", &a), ("b", &b)] {
                            let path = format!("/{place}/{spelling:?}/{name}");
                            put(config, (place, &path), (spelling, given), &b, &of_routes);
                        }
                    }
                }
            }),
        )
        .await;
        let everybody = three.browser(&site, 0..3);
        for place in PLACES {
            for spelling in SPELLINGS {
                for given in ["a", "b"] {
                    // Whose data the request finds, as each type.
                    let seen = |of_level, of_app| match (of_level, of_app) {
                        (true, _) => Some(given),
                        (false, true) => Some("a"),
                        (false, false) => None,
                    };
                    let seen_data = seen(spelling.has_data(), around.has_data());
                    let seen_plain = seen(spelling.has_plain(), around.has_plain());
                    let is_refused = [seen_data, seen_plain].contains(&Some("a"));
                    checked[usize::from(is_refused)] += 1;
                    for handler in ["open", "data", "attribute", "user"] {
                        let path = format!("/{place}/{spelling:?}/{given}/{handler}");
                        let before = reached.load(Ordering::Relaxed);
                        let reply = everybody.get(&path).await;
                        let reached = reached.load(Ordering::Relaxed) - before;
                        let answer = (reply.status, &*reply.body, reached);
                        let right = match handler {
                            _ if is_refused => answer == (500, "Internal error.", 0),
                            "open" => (reply.status, reached) == (200, 1),
                            "data" if seen_data.is_none() => reply.status == 500,
                            "data" => answer == (200, "__Host-level1", 0),
                            _ => answer == (200, "level1", 0),
                        };
                        if !right || !reply.set_cookies().is_empty() {
                            writeln!(wrong, "{around:?} around {path}: {answer:?}").unwrap();
                        }
                    }
                }
            }
        }
        let lines = logged.lines();
        let is_error = |line: &String| line.starts_with("ERROR") && line.contains("`.app_data(");
        if !lines.iter().any(is_error) {
            writeln!(wrong, "{around:?}: the log has {lines:?}").unwrap();
        }
    }
    assert!(checked.iter().all(|checked| *checked > 50), "{checked:?}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        wrong.lines().count()
    );
}
