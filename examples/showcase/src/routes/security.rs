//! "Security": all that an account has, on one page.

use std::cmp::Reverse;
use std::time::SystemTime;

use actix_web::{HttpResponse, get, web};
use askama::Template;
use lucia::oauth::OAuthProvider;
use lucia::{Auth, Session, SessionInfo, User, UserKey, authenticated};

use crate::activity::{Activity, Row};
use crate::device::Device;
use crate::email;
use crate::moment::Moment;
use crate::pages::{Link, Notice, html};
use crate::providers::Providers;
use crate::user::Profile;

/// How many rows of recent activity are shown.
const ACTIVITY: u32 = 10;

#[derive(Template)]
#[template(path = "security.html")]
struct Page<'a> {
    notice: Option<Notice>,
    address: Option<&'a UserKey>,
    linked: Vec<LinkedView<'a>>,
    /// The providers that are not linked.
    others: Vec<&'a OAuthProvider>,
    sessions: Vec<SessionView<'a>>,
    activity: Vec<ActivityView>,
    user: &'a User<Profile>,
}

/// An account at a provider.
struct LinkedView<'a> {
    provider: &'a str,
    name: &'a str,
    subject: &'a str,
}

/// A session as its user sees it.
struct SessionView<'a> {
    id: &'a str,
    device: &'a str,
    address: String,
    created: Moment,
    renewed: Moment,
    /// Whether it is the one that this page was asked for with.
    is_present: bool,
}

struct ActivityView {
    sentence: String,
    /// `Firefox on Linux, 192.0.2.7`
    origin: String,
    at: Moment,
}

#[get("/security")]
#[authenticated(redirect = "/login")]
pub async fn show(
    auth: web::Data<Auth>,
    activity: web::Data<Activity>,
    providers: web::Data<Providers>,
    user: User<Profile>,
    present: Session,
    device: Device,
    link: web::Query<Link>,
) -> lucia::Result<HttpResponse> {
    let now = SystemTime::now();
    let keys = auth.user_keys(&user.id).await?;
    let mut sessions = auth.user_sessions(&user.id).await?;
    sessions.sort_by_key(|session| (session.id != present.id, Reverse(session.renewed_at)));
    let rows = activity.latest(&user.id, ACTIVITY).await?;
    let is_linked = |provider: &&OAuthProvider| {
        let mut linked = keys.iter().map(|key| key.id.provider_id());
        !linked.any(|id| id == provider.id())
    };
    html(&Page {
        notice: link.notice,
        address: keys.iter().find(|key| email::is_address(key)),
        linked: keys
            .iter()
            .filter(|key| !email::is_address(key))
            .map(|key| LinkedView::new(key, &providers))
            .collect(),
        others: providers.iter().filter(is_linked).collect(),
        sessions: sessions
            .iter()
            .map(|session| SessionView::new(session, (&present, &device), now))
            .collect(),
        activity: rows
            .iter()
            .map(|row| ActivityView::new(row, &providers, now))
            .collect(),
        user: &user,
    })
}

impl<'a> LinkedView<'a> {
    fn new(key: &'a UserKey, providers: &'a Providers) -> Self {
        let provider = key.id.provider_id();
        Self {
            provider,
            name: providers.name(provider),
            subject: key.id.provider_user_id(),
        }
    }
}

impl<'a> SessionView<'a> {
    /// `present` is the session and the device that the page is asked for with. A session that a mailed link
    /// began has no device.
    fn new(session: &'a SessionInfo, present: (&SessionInfo, &'a Device), now: SystemTime) -> Self {
        let is_present = session.id == present.0.id;
        let unknown = if is_present {
            &present.1.0
        } else {
            "Unknown device"
        };
        let address = session.address.map(|address| address.to_string());
        Self {
            id: session.id.as_ref(),
            device: session.device.as_deref().unwrap_or(unknown),
            address: address.unwrap_or_default(),
            created: Moment::of(session.created_at, now),
            renewed: Moment::of(session.renewed_at, now),
            is_present,
        }
    }
}

impl ActivityView {
    fn new(row: &Row, providers: &Providers, now: SystemTime) -> Self {
        let parts = [&*row.device, &*row.address];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            sentence: row.sentence(providers.name(&row.how)),
            origin: parts.join(", "),
            at: Moment::of(row.at, now),
        }
    }
}
