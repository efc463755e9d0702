// A parameter of the name `auth_request` is used instead of the injected binding, and one of another name beside it.

use actix_web::web;
use lucia::{AuthRequest, auth_request, authenticated};

#[auth_request]
async fn another_name(request: AuthRequest) -> &'static str {
    request.set_session(None);
    auth_request.set_session(None);
    "another name"
}

#[authenticated]
async fn the_same_name(auth_request: AuthRequest) -> &'static str {
    auth_request.set_session(None);
    "the same name"
}

#[authenticated]
async fn a_path(body: String, request: lucia::AuthRequest) -> String {
    request.set_session(None);
    body
}

#[auth_request]
async fn ignored(_: ::lucia::AuthRequest) -> &'static str {
    "ignored"
}

#[auth_request]
async fn another_type(auth_request: web::Json<u8>) -> String {
    auth_request.to_string()
}

type Alias = AuthRequest;

#[auth_request]
async fn an_alias(auth_request: Alias) -> &'static str {
    auth_request.set_session(None);
    "an alias"
}

#[auth_request]
async fn inside_a_pattern((mut auth_request, _body): (Alias, String)) -> &'static str {
    auth_request = auth_request.clone();
    auth_request.set_session(None);
    "inside a pattern"
}

struct Form {
    auth_request: String,
}

#[auth_request]
async fn the_name_of_a_field(form: web::Data<Form>) -> String {
    auth_request.set_session(None);
    let Form { auth_request: field } = form.get_ref();
    field.clone()
}

fn main() {
    let _ = web::get().to(another_name);
    let _ = web::get().to(the_same_name);
    let _ = web::get().to(a_path);
    let _ = web::get().to(ignored);
    let _ = web::get().to(another_type);
    let _ = web::get().to(an_alias);
    let _ = web::get().to(inside_a_pattern);
    let _ = web::get().to(the_name_of_a_field);
}
