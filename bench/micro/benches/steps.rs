//! Single steps of a request, by time: `cargo bench -p micro`.

use actix_web::HttpRequest;
use actix_web::test::TestRequest;
use divan::Bencher;
use divan::counter::ItemsCount;
use lucia::{Auth, SessionToken};
use micro::fixed::{Fixed, TOKEN};
use micro::{KINDS, Kind};

fn main() {
    divan::main();
}

fn auth() -> Auth {
    Auth::builder(Fixed::with_one_user())
        .without_sign_in_limit()
        .build()
        .expect("settings")
}

/// A request of a browser that has been to many a site's script.
fn request(request: TestRequest) -> HttpRequest {
    let others: String = (0..20)
        .map(|n| format!("analytics{n}=GA1.2.1234567890; "))
        .collect();
    request
        .insert_header(("cookie", format!("{others}__Host-auth_session={TOKEN}")))
        .insert_header(("host", "example.com"))
        .insert_header(("origin", "https://example.com"))
        .insert_header(("sec-fetch-site", "same-origin"))
        .to_http_request()
}

#[divan::bench]
fn reading_the_cookie(bencher: Bencher<'_, '_>) {
    let (auth, request) = (auth(), request(TestRequest::get()));
    bencher.bench_local(|| auth.read_session_cookie(&request));
}

#[divan::bench]
fn hashing_the_token(bencher: Bencher<'_, '_>) {
    let token = SessionToken::parse(TOKEN).expect("a token");
    bencher.bench_local(|| token.session_id());
}

/// With the reading of the cookie, as a request has it.
#[divan::bench]
fn checking_the_origin(bencher: Bencher<'_, '_>) {
    let auth = auth();
    bencher
        .with_inputs(|| request(TestRequest::post()))
        .bench_local_values(|request| auth.handle_request(&request).check_origin());
}

/// A thousand requests without a network, the making of them included: what an attribute costs is
/// the difference to `plain, cookie sent`.
#[divan::bench(args = KINDS, sample_count = 20)]
fn a_thousand_requests(bencher: Bencher<'_, '_>, kind: Kind) {
    let system = actix_web::rt::System::new();
    bencher
        .counter(ItemsCount::new(1000_usize))
        .bench_local(|| system.block_on(micro::send(kind, 1000)));
}
