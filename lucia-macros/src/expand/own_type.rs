//! Handlers in an `impl` that use its type: a function inside of another cannot name `Self`, nor the type
//! parameters of the `impl`.

use crate::item::Handler;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Where the user's function goes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    /// Into the handler, where no other code can call it.
    Inside,
    /// Beside the handler, into the `impl`. That there is one is known by the `Self` in it alone.
    Beside,
}

impl Place {
    pub(crate) fn of(handler: &Handler) -> Self {
        let signature = handler.sig.to_token_stream();
        if has_self(signature) || uses_self(handler.body.clone()) {
            Place::Beside
        } else {
            Place::Inside
        }
    }

    /// The name of the user's function.
    pub(crate) fn name(self, handler: &Handler) -> Ident {
        let name = &handler.sig.ident;
        match self {
            Place::Inside => name.clone(),
            Place::Beside => format_ident!("__lucia_{name}", span = name.span()),
        }
    }

    /// Whether an attribute belongs on the handler. If the user's function is beside the handler, an `expect` for
    /// code in that function belongs only on the function.
    pub(super) fn is_for_handler(self, attr: &Attribute) -> bool {
        self == Place::Inside || !attr.path().is_ident("expect") || expects_of_item(attr)
    }

    /// What stands before the name in a call.
    pub(super) fn path(self) -> Option<TokenStream> {
        (self == Place::Beside).then(|| quote!(Self::))
    }
}

/// The attributes of the handler that the user's function also needs when it is beside the handler.
pub(super) fn shared(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    const SHARED: &[&str] = &["cfg", "allow", "warn", "deny", "forbid", "expect"];
    attrs
        .iter()
        .filter(|attr| SHARED.iter().any(|name| attr.path().is_ident(name)))
        .filter(|attr| !expects_of_item(attr))
}

/// Whether it expects a lint that only the handler can trigger, because only the handler has the user's name and
/// visibility.
fn expects_of_item(attr: &Attribute) -> bool {
    const OF_ITEMS: &[&str] = &["missing_docs", "dead_code"];
    let lints = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    attr.path().is_ident("expect")
        && lints.is_ok_and(|lints| {
            let mut lints = lints.iter().map(Meta::path);
            lints.any(|lint| OF_ITEMS.iter().any(|name| lint.is_ident(name)))
        })
}

/// Whether there is a `Self` among the tokens.
pub(super) fn has_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "Self",
        TokenTree::Group(group) => has_self(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether a body uses the `Self` around it: that of an item in the body is another one.
fn uses_self(body: TokenStream) -> bool {
    let mut tokens = body.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "Self" => return true,
            TokenTree::Ident(word) if begins_an_item(&word) => skip_item(&mut tokens),
            TokenTree::Group(group) if uses_self(group.stream()) => return true,
            _ => {}
        }
    }
    false
}

fn begins_an_item(word: &Ident) -> bool {
    const ITEMS: [&str; 5] = ["impl", "trait", "struct", "enum", "macro_rules"];
    ITEMS.iter().any(|item| word == item)
}

/// Up to its block or semicolon.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    tokens.find(|token| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Ident(_) | TokenTree::Literal(_) => false,
    });
}

#[cfg(test)]
mod tests {
    use super::{Place, expects_of_item, has_self, uses_self};
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn what_is_expected_stands_where_it_is_found() {
        for (attr, is_of_item) in [
            (parse_quote!(#[expect(missing_docs)]), true),
            (parse_quote!(#[expect(dead_code, reason = "later")]), true),
            (
                parse_quote!(#[expect(unused_variables, clippy::todo)]),
                false,
            ),
        ] {
            assert_eq!(expects_of_item(&attr), is_of_item);
            assert_eq!(Place::Beside.is_for_handler(&attr), is_of_item);
            assert!(Place::Inside.is_for_handler(&attr));
        }
        assert!(!expects_of_item(&parse_quote!(#[allow(missing_docs)])));
    }

    #[test]
    fn the_type_of_an_item_in_the_body_is_not_that_of_the_handler() {
        for body in [
            quote!(Self::NAME),
            quote!(if a { vec![Self { b }] } else { c }),
            quote!(struct A(u8);, Self::f(A(1))),
            quote!(impl A { fn f() -> Self { A } } Self::f()),
            quote!(user. let x = Self::),
        ] {
            assert!(uses_self(body.clone()), "{body}");
        }
        for body in [
            quote!(self_name),
            quote!("Self"),
            quote!(
                impl<T> From<T> for A
                where
                    T: B,
                {
                    fn from(_: T) -> Self {
                        Self
                    }
                },
                A::from(1)
            ),
            quote!(
                trait A {
                    fn f() -> Self;
                }
            ),
            quote!({
                struct A(Option<Box<Self>>);
            }),
            quote!(
                struct A {
                    a: Option<Box<Self>>,
                }
            ),
            quote!(
                enum A {
                    B(Box<Self>),
                }
            ),
            quote!(
                macro_rules! m {
                    () => {
                        Self
                    };
                }
            ),
        ] {
            assert!(!uses_self(body.clone()), "{body}");
        }
        assert!(has_self(quote!(a: impl Into<Self>)));
    }
}
