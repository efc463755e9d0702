//! The application's own columns of a session, and what lucia keeps for a page of "your sessions".

use std::net::IpAddr;
use std::time::Duration;

use actix_web::web::ServiceConfig;
use actix_web::{Responder, get, web};
use lucia::{Auth, ConstraintKind, Error, Result, Session, SessionInfo, User, authenticated};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{PASSWORD, Profile, Stage, actix, on_each_store, sign_up, verified};

const NEW: &str = "another horse battery";

on_each_store![
    a_handler_takes_a_typed_session,
    columns_that_are_left_out_get_the_defaults_of_the_database,
    the_list_reads_the_attributes_of_each_session,
    an_update_sets_what_it_names_and_the_next_request_sees_it,
    an_update_of_a_session_that_is_not_alive_is_an_error,
    attributes_outlive_renewals_and_rotations,
    a_broken_rule_of_the_table_of_sessions_is_named,
    attributes_that_the_store_does_not_know_of_are_named,
    the_device_and_the_address_are_kept_for_the_list,
    r56_attribute_updates_reach_neither_ids_nor_expiries,
];

const COLUMNS: &[&str] = &[
    "country TEXT",
    "visits INTEGER NOT NULL DEFAULT 1 CONSTRAINT visits_are_some CHECK (visits > 0)",
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Device {
    country: Option<String>,
    visits: i64,
}

fn device(country: &str, visits: i64) -> Device {
    Device {
        country: Some(country.to_owned()),
        visits,
    }
}

/// Ada's session without attributes.
async fn ada(stage: &Stage) -> (Auth, Session) {
    let store = stage.store_with_session_columns(COLUMNS).await;
    let auth = stage.builder_over(store).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    (auth, session)
}

async fn from_nl(auth: &Auth, session: &Session) -> Session {
    let creation = auth.create_session(&session.user_id);
    creation.attributes(&device("NL", 7)).await.unwrap()
}

#[get("/device")]
#[authenticated]
async fn typed(session: Session<Device>, user: User<Profile>) -> impl Responder {
    let Device { country, visits } = &session.attributes;
    format!("{} from {country:?}, {visits} visits", user.username)
}

fn routes(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
    // With and without the attribute.
    config.service(typed).route("/bare", web::get().to(bare));
}

async fn bare(session: Session<Device>) -> impl Responder {
    web::Json(session.attributes)
}

async fn a_handler_takes_a_typed_session(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let session = from_nl(&auth, &session).await;
    assert_eq!(
        session.typed::<Device>().unwrap().attributes,
        device("NL", 7)
    );
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    let browser = site.browser_of(&session);
    stage.probe.calls();
    let reply = browser.get("/device").await;
    assert_eq!(reply.body, "ada from Some(\"NL\"), 7 visits");
    assert_eq!(stage.probe.calls(), ["session_and_user"]);
    assert_eq!(
        browser.get("/bare").await.body,
        r#"{"country":"NL","visits":7}"#
    );
    assert_eq!(site.browser().get("/device").await.status, 401);
    assert_eq!(site.browser().get("/bare").await.status, 401);
}

async fn columns_that_are_left_out_get_the_defaults_of_the_database(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let nothing = Device {
        country: None,
        visits: 1,
    };
    assert_eq!(session.attributes_as::<Device>().unwrap(), nothing);
    let some = auth.create_session(&session.user_id);
    let some = some.attributes(&json!({ "country": "DE" })).await.unwrap();
    assert_eq!(some.attributes_as::<Device>().unwrap(), device("DE", 1));
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    let reply = site.browser_of(&session).get("/device").await;
    assert_eq!(reply.body, "ada from None, 1 visits");
}

async fn the_list_reads_the_attributes_of_each_session(stage: Stage) {
    let (auth, first) = ada(&stage).await;
    stage.clock.advance(Duration::from_secs(1));
    let second = from_nl(&auth, &first).await;
    let list = auth.user_sessions(&first.user_id).await.unwrap();
    let read: Vec<Device> = list
        .iter()
        .map(|session| session.attributes_as().unwrap())
        .collect();
    let nothing = first.attributes_as::<Device>().unwrap();
    assert_eq!(read, [nothing, device("NL", 7)]);
    let found = auth.session(&second.id).await.unwrap().unwrap();
    assert_eq!(found.attributes_as::<Device>().unwrap(), device("NL", 7));
    assert!(!format!("{list:?}").contains("NL"));
}

async fn an_update_sets_what_it_names_and_the_next_request_sees_it(stage: Stage) {
    let (auth, other) = ada(&stage).await;
    let session = from_nl(&auth, &other).await;
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    for (attributes, expected) in [
        (json!({ "visits": 8 }), device("NL", 8)),
        (json!({}), device("NL", 8)),
        (json!({ "country": "BE" }), device("BE", 8)),
    ] {
        let updated = site
            .auth
            .update_session_attributes(&session.id, &attributes);
        let updated = updated.await.unwrap();
        assert_eq!(updated.id, session.id);
        assert_eq!(updated.attributes_as::<Device>().unwrap(), expected);
        let body = site.browser_of(&session).get("/bare").await.body;
        assert_eq!(serde_json::from_str::<Device>(&body).unwrap(), expected);
    }
    let other = site.auth.session(&other.id).await.unwrap().unwrap();
    assert_eq!(other.attributes_as::<Device>().unwrap().visits, 1);
}

async fn an_update_of_a_session_that_is_not_alive_is_an_error(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let ended = from_nl(&auth, &session).await;
    auth.invalidate_session(&ended.id).await.unwrap();
    stage
        .clock
        .set(session.idle_expires + Duration::from_secs(1));
    for expired in [&ended, &session] {
        for attributes in [json!({}), json!({ "visits": 2 })] {
            let refused = auth
                .update_session_attributes(&expired.id, &attributes)
                .await;
            assert!(matches!(refused, Err(Error::UnknownSession)), "{refused:?}");
        }
    }
    assert_eq!(stage.count("user_session").await, 1);
}

async fn attributes_outlive_renewals_and_rotations(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let creation = auth.create_session(&session.user_id).device("A phone");
    let address: IpAddr = "2001:db8::7".parse().unwrap();
    let creation = creation.store_address(address).attributes(&device("NL", 7));
    let mut session = creation.await.unwrap();
    stage.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    let renewed = auth.validate_session(session.token()).await.unwrap();
    let renewed = renewed.unwrap();
    assert!(renewed.fresh);
    let is_whole = async |session: &Session| {
        let stored = auth.session(&session.id).await.unwrap().unwrap();
        for info in [session.info(), &stored] {
            assert_eq!(info.attributes_as::<Device>().unwrap(), device("NL", 7));
            assert_eq!(info.device.as_deref(), Some("A phone"));
            assert_eq!(info.address, Some(address));
        }
    };
    is_whole(&renewed).await;
    session = auth.rotate_session(&renewed).await.unwrap();
    is_whole(&session).await;
    session = auth
        .change_password(&session, &verified(&auth, "ada").await, NEW)
        .await
        .unwrap();
    is_whole(&session).await;
    let key = auth.verify_password(("username", "ada"), NEW).await;
    let proven = auth.reauthenticate(&session, &key.unwrap()).await;
    is_whole(&proven.unwrap()).await;
}

async fn a_broken_rule_of_the_table_of_sessions_is_named(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let none = json!({ "visits": 0 });
    let created = auth
        .create_session(&session.user_id)
        .attributes(&none)
        .await;
    let updated = auth.update_session_attributes(&session.id, &none).await;
    for refused in [created.map(drop), updated.map(drop)] {
        match refused {
            Err(Error::Constraint(broken)) => {
                assert_eq!(broken.kind, ConstraintKind::Check);
                assert_eq!(broken.table, "user_session");
                assert_eq!(broken.constraint.as_deref(), Some("visits_are_some"));
            }
            other => panic!("{other:?}"),
        }
    }
    let null = json!({ "visits": null });
    match auth.update_session_attributes(&session.id, &null).await {
        Err(Error::Constraint(broken)) => {
            assert_eq!(broken.kind, ConstraintKind::NotNull);
            assert_eq!(broken.column.as_deref(), Some("visits"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.count("user_session").await, 1);
    assert_eq!(session.attributes_as::<Device>().unwrap().visits, 1);
}

async fn attributes_that_the_store_does_not_know_of_are_named(stage: Stage) {
    // Neither a column nor the setting.
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let given = json!({ "country": "NL" });
    let created = auth
        .create_session(&session.user_id)
        .attributes(&given)
        .await;
    let updated = auth.update_session_attributes(&session.id, &given).await;
    for refused in [created.map(drop), updated.map(drop)] {
        match refused {
            Err(Error::InvalidAttribute { table, column, .. }) => {
                assert_eq!(
                    (&*table, column.as_deref()),
                    ("user_session", Some("country"))
                );
            }
            other => panic!("{other:?}"),
        }
    }
    // The columns are there, and this store was not told to read them.
    stage.store_with_session_columns(COLUMNS).await;
    let error = session.attributes_as::<Device>().unwrap_err();
    assert!(error.to_string().contains("user_session"), "{error}");
    assert!(error.to_string().contains("session_columns"), "{error}");
    let site = actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await;
    let reply = site.browser_of(&session).get("/device").await;
    assert_eq!((reply.status, &*reply.body), (500, "Internal error."));
    assert!(reply.set_cookies().is_empty());
}

async fn the_device_and_the_address_are_kept_for_the_list(stage: Stage) {
    let auth = stage.auth().await;
    let first = sign_up(&auth, "ada").await;
    let long = format!("\u{1b}[31mA\r\nphone \u{e9}\0{}", "x".repeat(300));
    for (address, device) in [
        ("192.0.2.7", "Firefox on a laptop"),
        ("2001:db8::7", &*long),
    ] {
        stage.clock.advance(Duration::from_secs(1));
        let creation = auth.create_session(&first.user_id).device(device);
        creation
            .store_address(address.parse::<IpAddr>().unwrap())
            .await
            .unwrap();
    }
    let list = auth.user_sessions(&first.user_id).await.unwrap();
    let shown = |session: &SessionInfo| (session.device.clone(), session.address);
    assert_eq!(shown(&list[0]), (None, None));
    let laptop = Some("Firefox on a laptop".to_owned());
    assert_eq!(shown(&list[1]), (laptop, "192.0.2.7".parse().ok()));
    let (device, address) = shown(&list[2]);
    let device = device.unwrap();
    assert!(device.starts_with("[31mAphone \u{e9}xxx"), "{device}");
    assert_eq!(device.chars().count(), 255);
    assert_eq!(address, "2001:db8::7".parse().ok());

    let json: Value = serde_json::to_value(&list[1]).unwrap();
    assert_eq!(json["address"], "192.0.2.7");
    assert_eq!(json["device"], "Firefox on a laptop");
    assert!(json.get("token").is_none());
}

/// lucia's own columns, in each spelling that some database finds.
const OWN: [&str; 20] = [
    "id",
    "ID",
    "user_id",
    "User_Id",
    "USER_ID",
    "created_at",
    "Created_At",
    "authenticated_at",
    "renewed_at",
    "active_expires",
    "Active_Expires",
    "idle_expires",
    "IDLE_EXPIRES",
    "device",
    "address",
    "persistent",
    "Persistent",
    "rowid",
    "_ROWID_",
    "oid",
];

async fn r56_attribute_updates_reach_neither_ids_nor_expiries(stage: Stage) {
    let (auth, session) = ada(&stage).await;
    let mallory = sign_up(&auth, "mallory").await;
    let rowid = if stage.is_postgres() { "0" } else { "rowid" };
    let rows = format!("SELECT {rowid}, * FROM user_session ORDER BY id");
    let before = stage.rows(&rows).await;
    for name in OWN {
        for value in [json!(mallory.user_id), json!(i64::MAX), json!(null)] {
            let given = json!({ "country": "NL", (name): value });
            let created = auth
                .create_session(&session.user_id)
                .attributes(&given)
                .await;
            let updated = auth.update_session_attributes(&session.id, &given).await;
            for refused in [created.map(drop), updated.map(drop)] {
                let error = refused.unwrap_err();
                assert!(
                    matches!(error, Error::InvalidAttribute { .. }),
                    "{name}: {error:?}"
                );
                assert!(error.to_string().contains(name), "{error}");
            }
            assert_eq!(stage.rows(&rows).await, before, "{name}");
        }
    }
    // Nor when the application lists one of them as its own.
    let store = async |name: &'static str| -> Result<()> {
        match stage.is_postgres() {
            true => lucia::PgStore::builder()
                .session_columns([name])
                .connect(&stage.database().url())
                .await
                .map(drop),
            false => lucia::SqliteStore::builder()
                .session_columns([name])
                .in_memory()
                .await
                .map(drop),
        }
    };
    for name in ["id", "User_Id", "idle_expires"] {
        let refused = store(name).await;
        assert!(
            matches!(
                refused,
                Err(Error::Setting {
                    setting: "session_columns",
                    ..
                })
            ),
            "{name}: {refused:?}"
        );
    }
    let form = [("username", "ada"), ("password", PASSWORD)];
    let site = actix::serve(auth, actix::Routes::of_config(routes)).await;
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
}
