use super::*;
use crate::PasswordProblem;

struct Get(&'static str, &'static str);

impl RequestTarget for Get {
    fn method(&self) -> &str {
        "GET"
    }

    fn path_and_query(&self) -> Option<&str> {
        Some(self.0)
    }

    fn accept(&self) -> Cow<'_, str> {
        self.1.into()
    }
}

fn body(denials: &Denials) -> Option<(String, String)> {
    let request = Get("/a", "");
    let content = denials.content(&Denial::new(&Error::Unauthenticated, &request))?;
    Some((content.media_type.into(), content.text.into()))
}

#[test]
fn a_page_is_for_those_who_name_it_and_do_not_prefer_json() {
    let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
    for accept in [
        chromium,
        "text/html",
        "TEXT/HTML ; Q=0.5",
        "application/xhtml+xml",
        "application/json;q=0.5, text/html;q=0.5",
        "application/json;q=0.1,text/html;level=1;q=0.2",
    ] {
        let request = Get("/", accept);
        let denial = Denial::new(&Error::Forbidden, &request);
        assert!(denial.wants_html(), "{accept}");
    }
    for accept in [
        "",
        "*/*",
        "application/json",
        "text/html;q=0",
        "text/html;q=0.000",
        "text/html;q=NaN",
        "text/html;q=2",
        "text/html;q=",
        "text/html;q=0.5, application/json",
        "application/problem+json, text/html;q=0.9",
        "text/htmlx, text/plain",
        "text/*",
        ",;,;q=1",
    ] {
        let request = Get("/", accept);
        let denial = Denial::new(&Error::Forbidden, &request);
        assert!(!denial.wants_html(), "{accept}");
    }
}

#[test]
fn the_path_has_no_query() {
    for (target, path) in [("/a/b?c=/d?e", "/a/b"), ("/a", "/a"), ("?", ""), ("*", "*")] {
        let request = Get(target, "");
        assert_eq!(Denial::new(&Error::Forbidden, &request).path(), path);
    }
}

#[test]
fn a_problem_has_the_members_of_rfc_9457_and_the_code() {
    let problem = Denials::new(DenialBody::problem);
    let (media_type, text) = body(&problem).unwrap();
    assert_eq!(media_type, "application/problem+json");
    let expected = json!({
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "Not signed in.",
        "code": "unauthenticated",
    });
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value, expected);

    let short = Error::InvalidPassword(PasswordProblem::TooShort { min: 8 });
    let problem = DenialBody::problem(&Denial::new(&short, &Get("/", "")));
    let content = problem.0.unwrap();
    let value: serde_json::Value = serde_json::from_str(&content.text).unwrap();
    let told = "The password was refused: it has fewer than 8 characters.";
    assert_eq!(value["detail"], told);
}

#[test]
fn the_title_of_each_error_is_the_name_of_its_status() {
    for error in crate::error::tests::all() {
        let status = http::StatusCode::from_u16(error.status()).unwrap();
        let title = reason_phrase(error.status());
        assert_eq!(Some(title), status.canonical_reason(), "{error:?}");
    }
}

#[test]
fn what_cannot_be_sent_leaves_the_default_look() {
    use std::collections::HashMap;

    let keys_are_no_text = HashMap::from([(vec![1], 1)]);
    for broken in [
        DenialBody::new("text/html\r\nSet-Cookie: a=b", ""),
        DenialBody::new("text/html\n", ""),
        DenialBody::new("text/h\0tml", ""),
        DenialBody::new("text/htm\u{e9}", ""),
        DenialBody::new("", "no type"),
        DenialBody::new("  ", "no type"),
        DenialBody::json(&keys_are_no_text),
    ] {
        assert!(broken.0.is_err(), "{broken:?}");
        let denials = Denials::new(move |_| broken.clone());
        assert_eq!(body(&denials), None);
    }
}

#[test]
fn a_panic_leaves_the_default_look() {
    let denials = Denials::new(|denial| panic!("{denial:?}"));
    assert_eq!(body(&denials), None);
    assert_eq!(body(&denials), None);
}
