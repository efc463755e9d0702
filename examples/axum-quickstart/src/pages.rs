//! What people see. The templates escape all that they show.

use std::time::SystemTime;

use askama::Template;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use lucia::{ConstraintKind, Error, LocalPath, PasswordProblem, SessionInfo};

/// `/`
#[derive(Template)]
#[template(path = "home.html")]
pub struct Home<'a> {
    /// The name of who is signed in.
    pub username: Option<&'a str>,
}

/// `/signup` and `/login`. A password is never shown again.
#[derive(Template)]
#[template(path = "account.html")]
pub struct Account<'a> {
    title: &'static str,
    is_new: bool,
    username: &'a str,
    remember: bool,
    next: &'a LocalPath,
    problem: Option<String>,
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
#[template(path = "failure.html")]
pub struct Failure {
    pub title: &'static str,
    pub text: &'static str,
}

/// A session as its user sees it.
pub struct SessionView<'a> {
    id: &'a str,
    device: &'a str,
    age: String,
    /// Whether it is the one that this page was asked for with.
    is_present: bool,
}

impl<'a> Account<'a> {
    pub fn sign_up(username: &'a str, next: &'a LocalPath) -> Self {
        Self {
            title: "Sign up",
            is_new: true,
            username,
            remember: false,
            next,
            problem: None,
        }
    }

    pub fn log_in(username: &'a str, next: &'a LocalPath) -> Self {
        Self {
            title: "Log in",
            is_new: false,
            ..Self::sign_up(username, next)
        }
    }

    /// Checks the box, or does not.
    pub fn remember(self, remember: bool) -> Self {
        Self { remember, ..self }
    }
}

impl<'a> SessionView<'a> {
    pub fn new(session: &'a SessionInfo, present: &SessionInfo) -> Self {
        let age = SystemTime::now().duration_since(session.created_at);
        Self {
            id: session.id.as_str(),
            device: session.device.as_deref().unwrap_or("unknown"),
            age: in_words(age.unwrap_or_default().as_secs() / 60),
            is_present: session.id == present.id,
        }
    }
}

fn in_words(minutes: u64) -> String {
    let (number, unit) = match minutes {
        0 => return "just now".to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

/// A page.
pub fn html(page: &impl Template) -> lucia::Result<Response> {
    as_html(Response::default(), page)
}

/// A page in the place of what a response says.
pub fn as_html(response: Response, page: &impl Template) -> lucia::Result<Response> {
    let body = page.render().map_err(Error::internal)?;
    let mut response = response.map(|_| Body::from(body));
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(CONTENT_TYPE, content_type);
    Ok(response)
}

/// A form once more, with what is wrong in it, and the status and headers of the error. What
/// cannot be told in a form stays an error.
pub fn again(error: Error, form: Account<'_>) -> lucia::Result<Response> {
    let Some(problem) = problem(&error) else {
        return Err(error);
    };
    let form = Account {
        problem: Some(problem),
        ..form
    };
    as_html(error.into_response(), &form)
}

/// What an error means to whoever filled in a form; `None` if it is none of their business.
fn problem(error: &Error) -> Option<String> {
    let taken = "This username is taken. Choose another one.";
    Some(match error {
        Error::InvalidKey { reason } => (*reason).to_owned(),
        Error::DuplicateKey => taken.to_owned(),
        Error::Constraint(rule) if rule.kind == ConstraintKind::Unique => taken.to_owned(),
        Error::InvalidPassword(PasswordProblem::TooShort { min }) => {
            format!("This password is too short. Use at least {min} characters.")
        }
        Error::InvalidPassword(problem) => format!("Choose another password: {problem}."),
        // Not which of the two: that would tell who has an account.
        Error::InvalidCredentials => "Wrong username or password.".to_owned(),
        Error::TooManyAttempts { retry_after } => {
            let minutes = retry_after.as_secs().div_ceil(60).max(1);
            format!("Too many attempts. Try again in {minutes} min.")
        }
        Error::Busy | Error::Unavailable(_) => {
            "We cannot do this just now. Try again in a moment.".to_owned()
        }
        _ => return None,
    })
}
