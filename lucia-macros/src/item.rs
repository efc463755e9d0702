//! What the attribute stands on, parsed just far enough: the signature in full, the body not at all, so
//! that a body with a half-written line still is a handler and an editor still completes it.

use crate::args;
use crate::framework::Framework;
use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::token::Brace;
use syn::{Attribute, LitStr, Meta, Path, Result, Signature, Token, Visibility};

/// A function as the user wrote it.
pub(crate) struct Handler {
    pub(crate) attrs: Attributes,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `#![..]` at the top of the body.
    pub(crate) inner_attrs: Vec<Attribute>,
    pub(crate) brace: Brace,
    pub(crate) body: TokenStream,
}

/// The attributes below ours, by where they go. Those above ours have been expanded already.
#[derive(Default)]
pub(crate) struct Attributes {
    /// To the generated handler, which has the name, the visibility and the route.
    pub(crate) handler: Vec<Attribute>,
    /// To the user's function inside it, which has the signature that the user sees.
    pub(crate) function: Vec<Attribute>,
    /// To a copy of the signature: axum's `debug_handler`, which reports its mistakes.
    pub(crate) debug: Vec<Attribute>,
    /// Not passed on: our own attributes, repeated.
    pub(crate) repeated: Vec<Attribute>,
}

impl Handler {
    pub(crate) fn parse(framework: Framework, input: ParseStream<'_>) -> Result<Self> {
        let attrs = Attributes::sort(framework, input.call(Attribute::parse_outer)?);
        let vis = input.parse()?;
        expect_function(framework, input)?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(input.error("a handler has a body: write `{ .. }` instead of `;`"));
        }
        let content;
        let brace = syn::braced!(content in input);
        Ok(Handler {
            attrs,
            vis,
            sig,
            inner_attrs: content.call(Attribute::parse_inner)?,
            brace,
            body: content.parse()?,
        })
    }
}

/// Reports the mistake at the first word of an item that is not a function, before the parser of
/// signatures would complain about some token after it.
fn expect_function(framework: Framework, input: ParseStream<'_>) -> Result<()> {
    let ahead = input.fork();
    ahead.parse::<Option<Token![const]>>()?;
    ahead.parse::<Option<Token![async]>>()?;
    ahead.parse::<Option<Token![unsafe]>>()?;
    if ahead.parse::<Option<Token![extern]>>()?.is_some() {
        ahead.parse::<Option<LitStr>>()?;
    }
    if ahead.peek(Token![fn]) {
        Ok(())
    } else {
        Err(input.error(format!(
            "only a handler can have this attribute: write it above an \
             `async fn name(..) -> {} {{ .. }}`",
            framework.reply(),
        )))
    }
}

impl Attributes {
    fn sort(framework: Framework, attrs: Vec<Attribute>) -> Self {
        let mut sorted = Attributes::default();
        for attr in attrs {
            if attr.path().is_ident("cfg_attr")
                && let Ok(split) = split_cfg_attr(framework, &attr)
            {
                split
                    .into_iter()
                    .for_each(|(destination, attr)| sorted.put(destination, attr));
            } else if ours(attr.path()).is_some() {
                sorted.repeated.push(attr);
            } else {
                sorted.put(Destination::of(framework, attr.path()), attr);
            }
        }
        sorted
    }

    fn put(&mut self, destination: Destination, attr: Attribute) {
        match destination {
            Destination::Handler => self.handler.push(attr),
            Destination::Function => self.function.push(attr),
            Destination::Debug => self.debug.push(attr),
        }
    }
}

/// Where an attribute goes that is not ours.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Destination {
    Handler,
    Function,
    Debug,
}

impl Destination {
    fn of(framework: Framework, path: &Path) -> Self {
        if framework == Framework::Axum && is_debug_handler(path) {
            Destination::Debug
        } else if belongs_to_handler(framework, path) {
            Destination::Handler
        } else {
            Destination::Function
        }
    }
}

/// Which of our attributes a path names.
pub(crate) fn ours(path: &Path) -> Option<args::Attribute> {
    let last = path.segments.last()?;
    let qualified = path.segments.len() > 1;
    if qualified && path.segments[0].ident != "lucia" {
        return None;
    }
    args::Attribute::from_name(&last.ident.to_string())
}

/// Whether an attribute is about the handler rather than about the code in it.
///
/// Lint levels that stand at the handler hold for the function inside it, too.
fn belongs_to_handler(framework: Framework, path: &Path) -> bool {
    const BUILT_IN: &[&str] = &[
        "cfg",
        "cfg_attr",
        "doc",
        "deprecated",
        "must_use",
        "allow",
        "warn",
        "deny",
        "forbid",
        "expect",
    ];
    // actix-web's, under any path. Expanded after ours, they take what stands below them for the
    // handler, so they must come to stand above the generated one.
    const ROUTES: &[&str] = &[
        "get", "post", "put", "delete", "head", "connect", "options", "trace", "patch", "query",
        "route", "routes",
    ];

    let last = path.segments.last().map(|segment| &segment.ident);
    BUILT_IN.iter().any(|name| path.is_ident(name))
        || framework == Framework::Actix
            && ROUTES
                .iter()
                .any(|name| last.is_some_and(|last| last == name))
}

fn is_debug_handler(path: &Path) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| last.ident == "debug_handler")
}

// Input:
//     #[cfg_attr(feature = "trace", doc = "..", tracing::instrument)]
//
// Output:
//     (Handler, #[cfg_attr(feature = "trace", doc = "..")])
//     (Function, #[cfg_attr(feature = "trace", tracing::instrument)])
fn split_cfg_attr(framework: Framework, attr: &Attribute) -> Result<Vec<(Destination, Attribute)>> {
    let (predicate, metas) = attr.parse_args_with(|input: ParseStream<'_>| {
        let predicate: Meta = input.parse()?;
        input.parse::<Token![,]>()?;
        let metas = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
        Ok((predicate, metas))
    })?;
    let destinations = [
        Destination::Handler,
        Destination::Debug,
        Destination::Function,
    ];
    let split = destinations.into_iter().filter_map(|destination| {
        let metas = metas
            .iter()
            .filter(|meta| Destination::of(framework, meta.path()) == destination);
        let metas: Vec<_> = metas.collect();
        let attr = syn::parse_quote!(#[cfg_attr(#predicate, #(#metas),*)]);
        (!metas.is_empty()).then_some((destination, attr))
    });
    Ok(split.collect())
}

#[cfg(test)]
mod tests {
    use super::Handler;
    use crate::framework::Framework;
    use proc_macro2::TokenStream;
    use quote::{ToTokens, quote};
    use syn::Attribute;
    use syn::parse::{ParseStream, Parser};

    fn parse(framework: Framework, item: TokenStream) -> syn::Result<Handler> {
        let parser = |input: ParseStream<'_>| Handler::parse(framework, input);
        parser.parse2(item)
    }

    fn texts(attrs: &[Attribute]) -> Vec<String> {
        let text = |attr: &Attribute| attr.to_token_stream().to_string().replace(' ', "");
        attrs.iter().map(text).collect()
    }

    #[test]
    fn attributes_go_where_they_mean_what_they_say() {
        let item = quote! {
            #[actix_web::get("/")]
            #[instrument]
            #[allow(dead_code)]
            #[lucia::authenticated]
            #[other::authenticated]
            #[cfg_attr(test, must_use, inline)]
            #[cfg_attr(test, cold)]
            async fn handler() {}
        };
        let handler = parse(Framework::Actix, item).expect("it is a handler");
        assert_eq!(
            texts(&handler.attrs.handler),
            [
                "#[actix_web::get(\"/\")]",
                "#[allow(dead_code)]",
                "#[cfg_attr(test,must_use)]",
            ],
        );
        assert_eq!(
            texts(&handler.attrs.function),
            [
                "#[instrument]",
                "#[other::authenticated]",
                "#[cfg_attr(test,inline)]",
                "#[cfg_attr(test,cold)]",
            ],
        );
        assert_eq!(texts(&handler.attrs.repeated), ["#[lucia::authenticated]"]);
    }

    #[test]
    fn axum_has_no_routes_but_a_debug_handler() {
        let item = quote! {
            #[axum::debug_handler(state = AppState)]
            #[cfg_attr(debug_assertions, axum::debug_handler, must_use)]
            #[get("/")]
            #[lucia::axum::auth_request]
            async fn handler() {}
        };
        let attrs = parse(Framework::Axum, item).expect("it is a handler").attrs;
        assert_eq!(
            texts(&attrs.handler),
            ["#[cfg_attr(debug_assertions,must_use)]"]
        );
        assert_eq!(texts(&attrs.function), ["#[get(\"/\")]"]);
        assert_eq!(
            texts(&attrs.debug),
            [
                "#[axum::debug_handler(state=AppState)]",
                "#[cfg_attr(debug_assertions,axum::debug_handler)]",
            ]
        );
        assert_eq!(texts(&attrs.repeated), ["#[lucia::axum::auth_request]"]);
    }

    #[test]
    fn a_body_with_a_half_written_line_is_kept() {
        let body = quote!(user. let x = ; match {});
        let item =
            quote!(async fn handler(user: User<Profile>) -> String { #![allow(unused)] #body });
        let handler = parse(Framework::Actix, item).expect("the signature is complete");
        assert_eq!(handler.body.to_string(), body.to_string());
        assert_eq!(handler.inner_attrs.len(), 1);
    }

    #[test]
    fn only_a_function_with_a_body_is_a_handler() {
        for item in [
            quote!(
                struct Handler;
            ),
            quote!(
                pub mod handlers {}
            ),
            quote!(
                const HANDLER: u8 = 0;
            ),
            quote!(
                unsafe impl Send for Handler {}
            ),
            quote!(
                extern "C" {}
            ),
            quote!(
                async fn handler();
            ),
        ] {
            let text = item.to_string();
            assert!(parse(Framework::Actix, item).is_err(), "{text}");
        }
    }
}
