use http::header::{CONTENT_TYPE, HOST, SET_COOKIE};

use super::*;
use crate::adapter::HeadersMut;

fn parts(request: http::request::Builder) -> Parts {
    request.body(()).unwrap().into_parts().0
}

#[test]
fn the_host_is_that_of_the_uri_or_of_the_one_host_header() {
    let host = |request| parts(request).host().map(str::to_owned);
    let both = Request::get("https://uri.example:8443/a").header(HOST, "header.example");
    assert_eq!(host(both).as_deref(), Some("uri.example:8443"));
    let header = Request::get("/a").header(HOST, "header.example");
    assert_eq!(host(header).as_deref(), Some("header.example"));
    let two = Request::get("/a").header(HOST, "a.example");
    assert_eq!(host(two.header(HOST, "a.example")), None);
    assert_eq!(host(Request::get("/a")), None);
}

#[test]
fn the_scheme_that_a_client_writes_is_no_knowledge_of_tls() {
    let mut request = Request::get("https://a.example/").body(()).unwrap();
    assert!(!request.is_tls());
    request.extensions_mut().insert(OverTls);
    assert!(request.is_tls());
    assert!(request.into_parts().0.is_tls());
}

#[test]
fn the_head_of_a_request_says_what_the_request_says() {
    let request = Request::post("/a").header(HOST, "a.example");
    let parts = parts(request.header("cookie", "b=c"));
    let head = RequestHead::new(&parts.method, &parts.uri, &parts.headers, &parts.extensions);
    assert_eq!(RequestInfo::method(&head), "POST");
    assert_eq!(head.host(), Some("a.example"));
    let cookies: Vec<_> = RequestInfo::header(&head, "cookie").collect();
    assert_eq!(cookies, [b"b=c"]);
}

#[test]
fn whether_a_head_came_over_tls_is_not_read_off_its_uri() {
    let mut parts = parts(Request::get("https://a.example/"));
    let plain = RequestHead::new(&parts.method, &parts.uri, &parts.headers, &parts.extensions);
    assert!(!plain.is_tls());
    assert!(plain.over_tls(true).is_tls());
    parts.extensions.insert(OverTls);
    let over_tls = RequestHead::new(&parts.method, &parts.uri, &parts.headers, &parts.extensions);
    assert!(over_tls.is_tls());
}

#[test]
fn headers_are_given_in_their_order_as_bytes() {
    let request = Request::get("/")
        .header("cookie", "a=b")
        .header("cookie", &b"c=\xff"[..]);
    let parts = parts(request);
    let cookies: Vec<_> = RequestInfo::header(&parts, "cookie").collect();
    assert_eq!(cookies, [&b"a=b"[..], b"c=\xff"]);
}

#[test]
fn what_a_client_asked_for_is_its_target_and_every_accept() {
    let request = Request::get("https://a.example/b?c=d");
    let request = request.header("accept", "text/html");
    let parts = parts(request.header("accept", "*/*;q=0.1"));
    let target = Target::new(&parts.method, &parts.uri, &parts.headers);
    assert_eq!(adapter::RequestTarget::method(&target), "GET");
    assert_eq!(
        adapter::RequestTarget::path_and_query(&target),
        Some("/b?c=d")
    );
    assert_eq!(
        adapter::RequestTarget::accept(&target),
        "text/html,*/*;q=0.1"
    );
}

#[test]
fn an_error_is_a_response_that_carries_it() {
    let response: Response<String> = response(Error::Unauthenticated);
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()[CONTENT_TYPE],
        "text/plain; charset=utf-8"
    );
    assert_eq!(*response.body(), "Not signed in.");
    let error = response.extensions().get::<Arc<Error>>().unwrap();
    assert!(matches!(**error, Error::Unauthenticated));
}

#[test]
fn cookies_are_sensitive_and_others_stay() {
    let mut headers = HeaderMap::new();
    HeadersMut::append(&mut headers, "set-cookie", "a=1");
    HeadersMut::append(&mut headers, "set-cookie", "b=2");
    HeadersMut::append(&mut headers, "set-cookie", "c=3");
    HeadersMut::remove(&mut headers, "set-cookie", |value| value == b"b=2");
    let cookies: Vec<_> = headers.get_all(SET_COOKIE).into_iter().collect();
    assert_eq!(cookies, ["a=1", "c=3"]);
    assert!(cookies.iter().all(|cookie| cookie.is_sensitive()));
}

#[test]
fn the_peer_is_what_the_server_says_and_no_header() {
    let peer = IpAddr::from([192, 0, 2, 1]);
    let mut parts = parts(Request::get("/").header("x-forwarded-for", "9.9.9.9"));
    assert_eq!(RequestInfo::peer_address(&parts), None);
    parts.extensions.insert(PeerAddress(peer));
    assert_eq!(RequestInfo::peer_address(&parts), Some(peer));
    let head = RequestHead::new(&parts.method, &parts.uri, &parts.headers, &parts.extensions);
    assert_eq!(RequestInfo::peer_address(&head), Some(peer));
    let other = IpAddr::from([192, 0, 2, 2]);
    let told = RequestHead::peer_address(head, Some(other));
    assert_eq!(RequestInfo::peer_address(&told), Some(other));
    let request = Request::from_parts(parts, ());
    assert_eq!(RequestInfo::peer_address(&request), Some(peer));
}

#[cfg(feature = "axum")]
#[test]
fn the_peer_is_that_of_axums_connect_info() {
    use std::net::SocketAddr;

    use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};

    let at = |host| SocketAddr::from(([192, 0, 2, host], 4711));
    let mut parts = parts(Request::get("/"));
    parts.extensions.insert(MockConnectInfo(at(1)));
    assert_eq!(RequestInfo::peer_address(&parts), Some(at(1).ip()));
    parts.extensions.insert(ConnectInfo(at(2)));
    assert_eq!(RequestInfo::peer_address(&parts), Some(at(2).ip()));
}
