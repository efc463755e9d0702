use super::signature::{binds_auth_request, nameable, turbofish};
use super::{attribute, expand_guard, expand_permit};
use crate::args::{Args, Attribute};
use crate::framework::Framework;
use quote::{ToTokens, quote};
use syn::{Generics, Signature, Type, parse_quote};

fn messages(args: proc_macro2::TokenStream, item: proc_macro2::TokenStream) -> usize {
    messages_of(Framework::Actix, args, item)
}

fn messages_of(
    framework: Framework,
    args: proc_macro2::TokenStream,
    item: proc_macro2::TokenStream,
) -> usize {
    let output = attribute(framework, Attribute::Authenticated, args, item).to_string();
    output.matches("compile_error").count()
}

#[test]
fn the_binding_is_injected_unless_the_signature_names_it() {
    let names: [Signature; 3] = [
        parse_quote!(async fn a(auth_request: Alias)),
        parse_quote!(async fn a((mut auth_request, _): (Alias, u8))),
        parse_quote!(async fn a(Form { auth_request, .. }: Form)),
    ];
    assert!(names.iter().all(binds_auth_request));
    let does_not: [Signature; 5] = [
        parse_quote!(async fn a()),
        parse_quote!(async fn a(request: AuthRequest)),
        parse_quote!(async fn a(b: String, _: ::lucia::AuthRequest)),
        parse_quote!(async fn a(requests: Vec<AuthRequest>)),
        parse_quote!(async fn a(Form { auth_request: b }: Form)),
    ];
    assert!(!does_not.iter().any(binds_auth_request));
}

#[test]
fn impl_trait_becomes_a_type_parameter() {
    let mut generics: Generics = parse_quote!(<'a, T: Load, const N: usize>);
    assert_eq!(
        turbofish(&generics).to_token_stream().to_string(),
        quote!(::<T, N>).to_string(),
    );
    let ty: Type = parse_quote!((web::Json<impl Edit + 'static>, [impl Load; 2]));
    let named = nameable(&ty, &mut generics);
    assert_eq!(
        named.to_token_stream().to_string(),
        quote!((web::Json<__Impl3>, [__Impl4; 2])).to_string(),
    );
    assert_eq!(
        turbofish(&generics).to_token_stream().to_string(),
        quote!(::<T, N, __Impl3, __Impl4>).to_string(),
    );
}

/// The guard that the options become, and its function.
fn guard(options: proc_macro2::TokenStream) -> (String, String) {
    let args = Attribute::Authenticated.parse_args(options);
    let Args { guard, lucia } = args.expect("the options are right");
    let guards = [
        expand_guard(&guard, &lucia),
        expand_permit(Framework::Actix, &guard, &lucia),
    ];
    let [guard, permit] = guards.map(|tokens| tokens.to_string().replace(' ', ""));
    let short = |tokens: String| tokens.replace("::core::option::Option::", "");
    (short(guard), short(permit))
}

#[test]
fn each_option_is_an_argument_of_the_guard() {
    let of = |source: &str, rest: &str| {
        let source = match source {
            "" => "None".to_owned(),
            source => format!("Some(::lucia::__private::TokenSource::{source})"),
        };
        format!("::lucia::__private::Guard::of_attribute({source},{rest},)")
    };
    for (options, expected) in [
        (quote!(), of("", "None,None")),
        (quote!(cookie), of("Cookie", "None,None")),
        (quote!(bearer), of("Bearer", "None,None")),
        (quote!(cookie, bearer), of("CookieOrBearer", "None,None")),
        (quote!(bearer, cookie), of("CookieOrBearer", "None,None")),
        (quote!(redirect = "/login"), of("", "Some(\"/login\"),None")),
        (quote!(recent = "10m"), of("", "None,Some(600u64)")),
    ] {
        let (guard, permit) = guard(options.clone());
        assert_eq!((guard, permit.as_str()), (expected, "None"), "{options}");
    }
    let (_, permit) = guard(quote!(permit = rules::is_admin::<Profile>));
    assert_eq!(
        permit,
        "Some(::lucia::actix::__private::permit(rules::is_admin::<Profile>))"
    );
}

#[test]
fn the_order_of_the_options_does_not_matter() {
    let one = guard(quote!(
        cookie,
        bearer,
        redirect = "/",
        recent = "1s",
        permit = f
    ));
    let other = guard(quote!(
        permit = f,
        recent = "1s",
        redirect = "/",
        bearer,
        cookie
    ));
    assert_eq!(one, other);
}

#[test]
fn generated_code_finds_a_crate_of_another_name() {
    for krate in [
        quote!(crate = my_auth::lucia),
        quote!(crate = "my_auth::lucia"),
        quote!(crate = "my_auth::lucia",),
    ] {
        for framework in [Framework::Actix, Framework::Axum] {
            for kind in [Attribute::AuthRequest, Attribute::Authenticated] {
                for item in [
                    quote!(
                        async fn handler(user: User, body: String) -> String {
                            body
                        }
                    ),
                    quote!(
                        async fn handler(user: &str) -> String {
                            body
                        }
                    ),
                ] {
                    let output = attribute(framework, kind, krate.clone(), item).to_string();
                    let all = output.matches("lucia ::").count();
                    assert_eq!(
                        output.matches("my_auth :: lucia ::").count(),
                        all,
                        "{output}"
                    );
                    assert!(all > 0, "{output}");
                }
            }
        }
    }
    for wrong in [quote!(crate), quote!(crate = 1), quote!(crate = "a b")] {
        let item = quote!(
            async fn handler() -> String {}
        );
        assert_eq!(messages(wrong, item), 1);
    }
}

#[test]
fn the_guard_decides_before_anything_is_extracted() {
    let output = attribute(
        Framework::Actix,
        Attribute::Authenticated,
        quote!(permit = is_admin),
        quote!(
            async fn handler(body: String) -> String {
                body
            }
        ),
    )
    .to_string();
    let position = |part| output.find(part).expect(part);
    assert!(position("is_admin") < position("__private :: extract"));
}

#[test]
fn options_that_are_wrong_let_nobody_in_who_is_not_signed_in() {
    for options in [
        quote!(permit),
        quote!(recent = 10),
        quote!(bearer = true),
        quote!(admin),
    ] {
        let item = quote!(
            async fn handler() -> String {}
        );
        let output =
            attribute(Framework::Actix, Attribute::Authenticated, options, item).to_string();
        assert!(output.contains("compile_error"), "{output}");
        assert!(output.contains("Guard :: of_attribute"), "{output}");
    }
}

#[test]
fn one_mistake_is_one_message_and_a_function_of_that_name() {
    let mistakes = [
        (
            quote!(),
            quote!(
                fn handler() -> String {}
            ),
        ),
        (
            quote!(),
            quote!(
                const fn handler() -> String {}
            ),
        ),
        (
            quote!(),
            quote!(
                async fn handler(self) -> String {}
            ),
        ),
        (
            quote!(),
            quote!(
                async fn handler(a: &str) -> String {}
            ),
        ),
        (
            quote!(),
            quote!(
                async fn handler() {}
            ),
        ),
        (
            quote!(),
            quote!(
                #[authenticated]
                async fn handler() -> String {}
            ),
        ),
        (
            quote!(redirect),
            quote!(
                async fn handler() -> String {}
            ),
        ),
        (
            quote!(permit = "is_admin", bearer = true),
            quote!(
                async fn handler() -> String {}
            ),
        ),
    ];
    for (args, item) in mistakes {
        let text = item.to_string();
        for framework in [Framework::Actix, Framework::Axum] {
            let (args, item) = (args.clone(), item.clone());
            let count = messages_of(framework, args.clone(), item.clone());
            assert_eq!(count, 1, "{text}");
            let output = attribute(framework, Attribute::Authenticated, args, item);
            let output = output.to_string();
            assert!(output.contains("async fn handler"), "{output}");
        }
    }
}

#[test]
fn an_option_of_our_extractors_is_a_mistake_in_actix_web_alone() {
    let item = quote!(
        async fn handler(user: Option<User<Profile>>) -> String {}
    );
    for (framework, expected) in [(Framework::Actix, 1), (Framework::Axum, 0)] {
        let count = messages_of(framework, quote!(bearer), item.clone());
        assert_eq!(count, expected);
    }
}

#[test]
fn each_mistake_is_a_message() {
    let item = quote!(
        unsafe fn handler(a: &str) -> String {}
    );
    assert_eq!(messages(quote!(), item), 3);
    let item = quote!(
        #[auth_request]
        async fn handler() -> String {}
    );
    assert_eq!(messages(quote!(redirect = ""), item), 2);
}

#[test]
fn what_reads_the_body_is_the_last_parameter_of_axum() {
    let item = quote!(
        async fn handler(a: String, b: axum::Json<u8>, c: Vec<String>, d: Bytes) -> String {}
    );
    assert_eq!(messages_of(Framework::Axum, quote!(), item.clone()), 2);
    assert_eq!(messages(quote!(), item), 0);
}

#[test]
fn a_function_that_uses_self_stands_beside_its_handler_and_any_other_inside() {
    for framework in [Framework::Actix, Framework::Axum] {
        let expanded = |args, item| attribute(framework, Attribute::Authenticated, args, item);
        for item in [
            quote!(
                async fn handler() -> Result<String, Self> {
                    name()
                }
            ),
            quote!(
                async fn handler(a: Json<Self>) -> String {
                    name()
                }
            ),
            quote!(
                async fn handler() -> String {
                    Self::name()
                }
            ),
        ] {
            let output = expanded(quote!(), item.clone()).to_string();
            assert!(output.contains("Self :: __lucia_handler"), "{output}");
            // Also where it cannot be built: one mistake is one message.
            let output = expanded(quote!(redirect), item).to_string();
            assert_eq!(output.matches("compile_error").count(), 1, "{output}");
            assert_eq!(output.matches("async fn __lucia_handler").count(), 1);
        }
        let inside = quote!(
            async fn handler() -> String {
                name()
            }
        );
        let output = expanded(quote!(permit = Self::check), inside).to_string();
        assert!(!output.contains("__lucia_handler"), "{output}");
    }
}
