use super::{Args, Attribute, Guard, seconds};
use quote::quote;

fn redirect(path: &str) -> Result<String, String> {
    let args = quote!(redirect = #path);
    match Attribute::Authenticated
        .parse_args(args)
        .map(|args| args.guard)
    {
        Ok(Guard::Authenticated(options)) => {
            Ok(options.redirect.expect("the redirect is kept").value())
        }
        Ok(Guard::Anyone) => panic!("the guard got lost"),
        Err(mistake) => Err(mistake.to_string()),
    }
}

#[test]
fn a_redirect_is_a_path_of_this_site() {
    for path in ["/", "/login", "/login?why=private", "/a//b", "/caf%C3%A9"] {
        assert_eq!(redirect(path), Ok(path.to_owned()));
    }
}

#[test]
fn a_redirect_that_may_lead_elsewhere_is_refused() {
    for path in [
        "",
        "login",
        "//host",
        "///",
        "/\\host",
        "\\",
        "/a\\b",
        "https://host",
        " /login",
        "/login#a",
        "/a b",
        "/a\tb",
        "/a\r\nb",
        "/a\0",
        "/\u{7f}",
        "/é",
        "/\u{202e}",
    ] {
        assert!(redirect(path).is_err(), "{path:?}");
    }
}

#[test]
fn no_options_are_needed() {
    for args in [
        quote!(),
        quote!(redirect = "/login",),
        quote!(bearer),
        quote!(cookie),
        quote!(cookie, bearer, redirect = "/login"),
        quote!(permit = crate::rules::is_admin, recent = "10m"),
        quote!(crate = my_auth::lucia),
        quote!(bearer, crate = "my_auth::lucia"),
    ] {
        assert!(Attribute::Authenticated.parse_args(args).is_ok());
    }
    for args in [quote!(), quote!(crate = auth), quote!(crate = "auth",)] {
        let args = Attribute::AuthRequest.parse_args(args);
        assert!(matches!(
            args,
            Ok(Args {
                guard: Guard::Anyone,
                ..
            })
        ));
    }
}

#[test]
fn periods_are_numbers_with_a_unit() {
    for (text, expected) in [
        ("1s", Some(1)),
        ("10m", Some(600)),
        ("2h", Some(7200)),
        ("1d", Some(86_400)),
        ("36500d", None),
        ("0m", None),
        ("10", None),
        ("m", None),
        ("+1m", None),
        ("-1m", None),
        ("1.5h", None),
        ("1 m", None),
        ("10min", None),
        ("99999999999999999999d", None),
        ("9223372036854775807d", None),
        ("", None),
    ] {
        assert_eq!(seconds(text), expected, "{text:?}");
    }
}

#[test]
fn options_that_are_wrong_are_refused() {
    for args in [
        quote!(permit),
        quote!(permit = "is_admin"),
        quote!(permit = |user| true),
        quote!(permit = <T as U>::f),
        quote!(recent),
        quote!(recent = 10),
        quote!(recent = "10"),
        quote!(bearer, bearer),
        quote!(bearer = true),
        quote!(bearer()),
        quote!(cookie = false),
        quote!(cookie, cookie),
        quote!(permit =),
        quote!(permit = is_admin()),
        quote!(permit = rules::),
        quote!(recent = "0m"),
        quote!(recent = b"10m"),
        quote!(recent = Duration::from_secs(10)),
        quote!(recent = "1m", recent = "1m"),
        quote!(bearer, redirect = "/login"),
        quote!(redirect),
        quote!(redirect =),
        quote!(redirect("/login")),
        quote!(redirect = b"/login"),
        quote!(redirect = concat!("/", "login")),
        quote!(redirect = "/a", redirect = "/a"),
        quote!(redirect = "/a" redirect = "/b"),
        quote!(crate),
        quote!(crate = 1),
        quote!(crate = "my auth"),
        quote!(crate = a, crate = b),
        quote!(,),
        quote!(admin),
        quote!("/login"),
    ] {
        let text = args.to_string();
        assert!(Attribute::Authenticated.parse_args(args).is_err(), "{text}");
    }
    for args in [
        quote!(redirect = "/a"),
        quote!(crate),
        quote!(crate = a, bearer),
    ] {
        let text = args.to_string();
        assert!(Attribute::AuthRequest.parse_args(args).is_err(), "{text}");
    }
}
