use lucia::{Session, auth_request};

#[auth_request]
async fn handler(session: std::option::Option<lucia::Session>) -> String {
    let session: Option<Session> = session;
    format!("{session:?}")
}

fn main() {}
