//! What takes the place of a handler that cannot be built.

use crate::crate_path::Lucia;
use crate::expand::{self, Place};
use crate::framework::Framework;
use crate::item::{Attributes, Handler};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, Safety};

/// An item of the same shape, so that one mistake is one message: the name is still there to be
/// registered, the route above or below still finds a handler, and what the function used is not unused.
//
// Input:
//     #[get("/me")]
//     pub fn me<T>(user: User<T>) -> impl Responder { .. }
//
// Output:
//     #[get("/me")]
//     pub async fn me<T>() -> ::lucia::actix::__private::Response {
//         #[allow(dead_code)]
//         async fn me<T>(auth_request: .., user: User<T>) -> impl Responder { .. }
//         loop {}
//     }
pub(crate) fn expand(framework: Framework, mut handler: Handler, lucia: &Lucia) -> TokenStream {
    let place = Place::of(&handler);
    let function = mend(&mut handler).then(|| {
        let injects = !expand::binds_auth_request(&handler.sig);
        let function = expand::function(&handler, injects, place, lucia);
        quote!(#[allow(dead_code)] #function)
    });
    let (inside, beside) = match place {
        Place::Inside => (function, None),
        Place::Beside => (None, function),
    };
    let Handler {
        attrs: Attributes { handler: attrs, .. },
        vis,
        sig,
        inner_attrs,
        ..
    } = &handler;
    let name = &sig.ident;
    let private = framework.private(lucia);
    let (generics, _, where_clause) = sig.generics.split_for_impl();
    quote! {
        #beside

        #(#attrs)*
        #vis async fn #name #generics () -> #private::Response #where_clause {
            #(#inner_attrs)*
            #inside
            loop {}
        }
    }
}

/// Makes a function of it that can stand inside another, if that is possible: with `self` it is not.
fn mend(handler: &mut Handler) -> bool {
    let sig = &mut handler.sig;
    sig.constness = None;
    sig.asyncness.get_or_insert_default();
    sig.safety = Safety::Default;
    sig.abi = None;
    sig.variadic = None;
    !sig.inputs
        .iter()
        .any(|input| matches!(input, FnArg::Receiver(_)))
}
