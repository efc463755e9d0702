use super::*;
use crate::headers::cookie::CookieOptions;
use crate::request::ResponseHeaders;

/// Headers in the order in which they were appended.
#[derive(Default)]
struct Headers(Vec<(&'static str, String)>);

impl Headers {
    fn of<const N: usize>(headers: [(&'static str, &str); N]) -> Self {
        Self(headers.map(|(name, value)| (name, value.to_owned())).into())
    }

    fn all(&self, wanted: &str) -> Vec<&str> {
        let all = self.0.iter();
        all.filter_map(|(name, value)| (*name == wanted).then_some(value.as_str()))
            .collect()
    }
}

impl HeadersMut for Headers {
    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).into_iter().map(str::as_bytes)
    }

    fn append(&mut self, name: &'static str, value: &str) {
        self.0.push((name, value.to_owned()));
    }

    fn remove(&mut self, name: &'static str, is_meant: impl Fn(&[u8]) -> bool) {
        self.0
            .retain(|(present, value)| *present != name || !is_meant(value.as_bytes()));
    }
}

fn asked() -> ResponseHeaders {
    let cookie = CookieOptions::new().build(true).unwrap().removal();
    ResponseHeaders {
        set_cookie: Some(cookie),
        private: true,
        vary: Some("Cookie"),
        set_by_application: true,
        no_cookie: None,
        cookie_name: "__Host-auth_session".into(),
        browser_cookie: None,
    }
}

#[test]
fn doing_it_again_changes_nothing() {
    let mut headers = Headers::default();
    asked().put_on(&mut headers);
    let mut once = headers.0.clone();
    assert_eq!(once.len(), 3);
    asked().put_on(&mut headers);
    once.sort();
    headers.0.sort();
    assert_eq!(headers.0, once);
}

#[test]
fn the_cookie_takes_the_place_of_its_own_kind_and_of_no_other() {
    let mut headers = Headers::of([
        ("set-cookie", "__Host-auth_session=old; Path=/"),
        ("set-cookie", "__Host-auth_session_2=a"),
        ("set-cookie", "b=__Host-auth_session=c"),
    ]);
    asked().put_on(&mut headers);
    let cookies = headers.all("set-cookie");
    assert_eq!(cookies.len(), 3, "{cookies:?}");
    assert_eq!(
        cookies[..2],
        ["__Host-auth_session_2=a", "b=__Host-auth_session=c"]
    );
    assert!(
        cookies[2].starts_with("__Host-auth_session=;"),
        "{cookies:?}"
    );
}

#[test]
fn r33_no_shared_cache_keeps_a_response_that_sets_a_session_cookie() {
    let untouched = ResponseHeaders {
        set_cookie: None,
        private: true,
        ..asked()
    };
    let found = |asked: &ResponseHeaders, given: &str| {
        let mut headers = Headers::of([("cache-control", given)]);
        asked.put_on(&mut headers);
        headers.all("cache-control").join("; ")
    };
    for public in [
        "public, max-age=60",
        "max-age=60,PUBLIC",
        "s-maxage=60",
        "max-age=1 , S-MaxAge = 60",
        "private, public",
        "no-store, s-maxage=60",
        "must-understand, no-store, max-age=60",
        // Without a word for shared caches, they may keep it.
        "max-age=60",
        "no-cache",
        "x-private",
        "private=\"set-cookie\", max-age=60",
        "",
    ] {
        assert_eq!(found(&asked(), public), "no-store", "{public}");
        assert_eq!(found(&untouched, public), public);
    }
    for kept in [
        "private, max-age=60",
        "max-age=60 ,PRIVATE",
        "no-cache, no-store",
        "private, x-public",
    ] {
        assert_eq!(found(&asked(), kept), kept);
    }
    for name in ["cdn-cache-control", "surrogate-control"] {
        let mut headers = Headers::of([(name, "max-age=60")]);
        untouched.put_on(&mut headers);
        assert_eq!(headers.all(name).len(), 1);
        asked().put_on(&mut headers);
        assert!(headers.all(name).is_empty(), "{name}");
    }
    let mut by_hand = Headers::of([
        ("set-cookie", "__Host-auth_session=by-hand"),
        ("cache-control", "public"),
    ]);
    untouched.put_on(&mut by_hand);
    assert_eq!(by_hand.all("cache-control"), ["no-store"]);
}

#[test]
fn a_cookie_by_hand_stays_unless_the_application_chose_another_or_none_is_allowed() {
    const BY_HAND: &str = "__Host-auth_session=by-hand";
    let found = |asked: &ResponseHeaders| {
        let mut headers = Headers::of([("set-cookie", BY_HAND), ("set-cookie", "a=b")]);
        asked.put_on(&mut headers);
        asked.put_on(&mut headers);
        headers
    };
    let renewed = ResponseHeaders {
        set_by_application: false,
        ..asked()
    };
    let untouched = ResponseHeaders {
        set_cookie: None,
        private: false,
        vary: None,
        ..renewed.clone()
    };
    let refused = ResponseHeaders {
        no_cookie: Some("the request comes from another origin"),
        ..untouched.clone()
    };
    assert_eq!(found(&asked()).all("set-cookie").len(), 2);
    assert!(!found(&asked()).all("set-cookie").contains(&BY_HAND));
    for kept in [renewed, untouched] {
        let headers = found(&kept);
        assert_eq!(headers.all("set-cookie"), [BY_HAND, "a=b"]);
        assert_eq!(headers.all("cache-control"), ["no-store"]);
        assert_eq!(headers.all("vary"), ["Cookie"]);
    }
    let headers = found(&refused);
    assert_eq!(headers.all("set-cookie"), ["a=b"]);
    assert!(headers.all("cache-control").is_empty() && headers.all("vary").is_empty());
}

#[test]
fn the_removal_of_the_cookie_of_another_path_or_domain_stays_beside_ours() {
    let ours = asked().set_cookie.unwrap().to_string();
    let name = asked().set_cookie.unwrap().name().to_owned();
    for (removal, stays) in [
        (format!("{name}=; Path=/old; Max-Age=0"), true),
        (
            format!("{name}=; Path=/; Domain=example.com; Max-Age=0"),
            true,
        ),
        (format!("{name}=; Path=/; Max-Age=0"), false),
        (format!("{name}=; Max-Age=0"), false),
        (format!("{name}=token; Path=/old"), false),
    ] {
        let mut headers = Headers::of([("set-cookie", removal.as_str())]);
        let asked = ResponseHeaders {
            set_by_application: true,
            ..asked()
        };
        asked.put_on(&mut headers);
        let expected = if stays {
            vec![&*removal, &*ours]
        } else {
            vec![&*ours]
        };
        assert_eq!(headers.all("set-cookie"), expected);
    }
}

#[test]
fn what_the_handler_chose_stays() {
    let mut headers = Headers::of([("cache-control", "private, max-age=60"), ("vary", "*")]);
    asked().put_on(&mut headers);
    assert_eq!(headers.all("cache-control"), ["private, max-age=60"]);
    assert_eq!(headers.all("vary"), ["*"]);
}

#[test]
fn vary_gets_what_is_missing() {
    let both = ResponseHeaders {
        set_cookie: None,
        private: false,
        vary: Some("Cookie, Authorization"),
        ..asked()
    };
    for (present, is_enough) in [
        ("cookie , AUTHORIZATION, accept", true),
        ("Accept, *", true),
        ("Cookie", false),
        ("Cookies, Authorization", false),
    ] {
        let mut headers = Headers::of([("vary", present)]);
        both.put_on(&mut headers);
        assert_eq!(headers.all("vary").len() == 1, is_enough, "{present}");
    }
}

#[test]
fn who_has_to_wait_is_told_how_long() {
    let busy = Answer::of(&Error::Busy);
    assert_eq!((busy.status, busy.body), (503, "Try again in a moment."));
    assert!(busy.headers.contains(&("retry-after", "1".to_owned())));
    let unauthenticated = Answer::of(&Error::Unauthenticated);
    assert_eq!(unauthenticated.status, 401);
    let headers = &unauthenticated.headers;
    assert!(headers.iter().all(|(name, _)| *name != "retry-after"));
}
