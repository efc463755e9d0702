//! "Sign in as Ada or Grace".

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{DemoProvider, PEOPLE, Person, Question};
use crate::pages::{Failure, as_html, html};

#[derive(Template)]
#[template(path = "demo_provider.html")]
struct Authorize {
    people: &'static [Person],
}

/// Which button was pressed. The form sends the question once more, in its address.
#[derive(Deserialize)]
pub struct Decision {
    person: String,
}

pub async fn authorize(
    provider: web::Data<DemoProvider>,
    question: web::Query<Question>,
) -> lucia::Result<HttpResponse> {
    match provider.check(&question) {
        Ok(()) => html(&Authorize { people: &PEOPLE }),
        Err(text) => refused(text),
    }
}

pub async fn decide(
    provider: web::Data<DemoProvider>,
    question: web::Query<Question>,
    decision: web::Form<Decision>,
) -> lucia::Result<HttpResponse> {
    if let Err(text) = provider.check(&question) {
        return refused(text);
    }
    match PEOPLE.iter().find(|person| person.id == decision.person) {
        Some(person) => {
            let code = provider.grant(&question, person)?;
            provider.answer(&question, ("code", &code))
        }
        None => provider.answer(&question, ("error", "access_denied")),
    }
}

fn refused(text: &str) -> lucia::Result<HttpResponse> {
    let response = HttpResponse::new(StatusCode::BAD_REQUEST);
    as_html(
        response,
        &Failure::new("The demo provider cannot do this", text),
    )
}
