//! What takes the place of a handler that cannot be built.

use crate::item::{Attributes, Handler};
use proc_macro2::TokenStream;
use quote::quote;

/// An item of the same shape, so that one mistake is one message: the name is still there to be
/// registered, and the route above or below still finds a handler.
//
// Input:
//     #[get("/me")]
//     pub fn me<T>(user: User<T>) -> impl Responder { .. }
//
// Output:
//     #[get("/me")]
//     pub async fn me<T>() -> ::lucia::__private::Response {
//         loop {}
//     }
pub(crate) fn expand(handler: &Handler) -> TokenStream {
    let Handler {
        attrs: Attributes { handler: attrs, .. },
        vis,
        sig,
        ..
    } = handler;
    let name = &sig.ident;
    let (generics, _, where_clause) = sig.generics.split_for_impl();
    quote! {
        #(#attrs)*
        #vis async fn #name #generics () -> ::lucia::__private::Response #where_clause {
            loop {}
        }
    }
}
