//! The path under which generated code finds lucia.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;

/// The path of the crate `lucia`, for applications that rename or re-export it.
#[derive(Clone)]
pub(crate) struct Lucia(pub(crate) Option<Path>);

impl Lucia {
    /// `::lucia`, the path unless the user gives another.
    pub(crate) const DEFAULT: Self = Self(None);

    /// The path, for code that is not the subject of a message.
    pub(crate) fn path(&self) -> TokenStream {
        self.path_at(Span::call_site())
    }

    /// The path, for code that a message about what stands at `span` is to point at.
    pub(crate) fn path_at(&self, span: Span) -> TokenStream {
        let Some(path) = &self.0 else {
            return quote_spanned!(span=> ::lucia);
        };
        let tokens = path.to_token_stream().into_iter();
        tokens
            .map(|mut token| {
                token.set_span(token.span().located_at(span));
                token
            })
            .collect()
    }
}
