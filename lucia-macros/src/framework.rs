//! The frameworks whose handlers can have the attributes, and what each calls things.

use crate::crate_path::Lucia;
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// The framework that calls the handler. Which one is said by the path under which the attribute was
/// imported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framework {
    Actix,
    Axum,
}

impl Framework {
    /// The module with what generated code is made of.
    pub(crate) fn private(self, lucia: &Lucia) -> TokenStream {
        self.private_at(lucia, Span::call_site())
    }

    /// The same, for code that a message about what stands at `span` is to point at.
    pub(crate) fn private_at(self, lucia: &Lucia, span: Span) -> TokenStream {
        let lucia = lucia.path_at(span);
        match self {
            Framework::Actix => quote_spanned!(span=> #lucia::actix::__private),
            Framework::Axum => quote_spanned!(span=> #lucia::axum::__private),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Framework::Actix => "actix-web",
            Framework::Axum => "axum",
        }
    }

    /// What a handler returns.
    pub(crate) fn reply(self) -> &'static str {
        match self {
            Framework::Actix => "impl Responder",
            Framework::Axum => "impl IntoResponse",
        }
    }

    /// The extractor of what the application shares.
    pub(crate) fn shared(self) -> &'static str {
        match self {
            Framework::Actix => "web::Data<..>",
            Framework::Axum => "State<..>",
        }
    }

    /// The extractor of a part of the path.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Framework::Actix => "web::Path<String>",
            Framework::Axum => "Path<String>",
        }
    }

    /// Whether only the last parameter can read the body.
    pub(crate) fn reads_the_body_last(self) -> bool {
        self == Framework::Axum
    }
}
