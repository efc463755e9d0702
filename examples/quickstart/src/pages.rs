//! What people see. The templates escape all that they show.

use std::time::SystemTime;

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use lucia::{Error, LocalPath, SessionId, SessionInfo};

use crate::forms::{Field, PASSWORD_MIN_LENGTH, Problem};
use crate::moment::Moment;
use crate::username;

const HTML: &str = "text/html; charset=utf-8";

/// `/`
#[derive(Template)]
#[template(path = "landing.html")]
pub struct Landing<'a> {
    /// The name of who is signed in.
    pub username: Option<&'a str>,
}

/// `/signup`, and what was typed there already. A password is never shown again.
#[derive(Template)]
#[template(path = "signup.html")]
pub struct SignUp<'a> {
    pub username: &'a str,
    pub remember: bool,
    pub next: Option<&'a LocalPath>,
    pub problem: Option<Problem>,
}

/// `/login`, and what was typed there already. A password is never shown again.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LogIn<'a> {
    pub username: &'a str,
    pub remember: bool,
    pub next: Option<&'a LocalPath>,
    pub problem: Option<Problem>,
}

/// `/home`
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home<'a> {
    pub username: &'a str,
    pub user_id: &'a str,
    pub session: SessionView<'a>,
}

/// `/sessions`
#[derive(Template)]
#[template(path = "sessions.html")]
pub struct Sessions<'a> {
    pub username: &'a str,
    pub sessions: Vec<SessionView<'a>>,
}

/// What is shown when there is no page to show.
#[derive(Template)]
#[template(path = "error.html")]
pub struct Failure<'a> {
    pub title: &'a str,
    pub text: &'a str,
}

/// A session as its user sees it.
pub struct SessionView<'a> {
    pub id: &'a SessionId,
    pub device: &'a str,
    pub created: Moment,
    pub renewed: Moment,
    /// Whether it is the one that this page was asked for with.
    pub is_present: bool,
}

impl<'a> SessionView<'a> {
    pub fn new(session: &'a SessionInfo, present: &SessionInfo) -> Self {
        let now = SystemTime::now();
        Self {
            id: &session.id,
            device: session.device.as_deref().unwrap_or("Unknown device"),
            created: Moment::of(session.created_at, now),
            renewed: Moment::of(session.renewed_at, now),
            is_present: session.id == present.id,
        }
    }
}

impl Problem {
    /// What a problem says of a field, for the templates.
    fn about(problem: &Option<Self>, field: Field) -> Option<&str> {
        let problem = problem.as_ref().filter(|problem| problem.field == field)?;
        Some(&problem.message)
    }
}

/// A page.
pub fn html(page: &impl Template) -> lucia::Result<HttpResponse> {
    as_html(HttpResponse::Ok().finish(), page)
}

/// A form once more, with what is wrong in it, and the status and headers of the error. What
/// cannot be told in a form stays an error.
pub fn again<P: Template>(
    error: Error,
    page: impl FnOnce(Problem) -> P,
) -> lucia::Result<HttpResponse> {
    match Problem::of(&error) {
        Some(problem) => as_html(error.error_response(), &page(problem)),
        None => Err(error),
    }
}

/// A page in the place of what a response says.
pub fn as_html<B>(response: HttpResponse<B>, page: &impl Template) -> lucia::Result<HttpResponse> {
    let body = page.render().map_err(Error::internal)?;
    let mut response = response.set_body(BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    Ok(response)
}

/// Sends the browser on to another page, which it asks for with GET: a reload repeats nothing.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, path))
        .finish()
}
