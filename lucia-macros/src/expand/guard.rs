//! The guard that the options of an attribute stand for.

use super::ends;
use crate::args::Guard;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

// Input:
//     #[authenticated(cookie, bearer, redirect = "/login", recent = "10m", permit = is_admin)]
//
// Output:
//     ::lucia::__private::Guard::authenticated()
//         .token_source(::lucia::__private::TokenSource::CookieOrBearer)
//         .redirect("/login")
//         .recent(::core::time::Duration::from_secs(600u64))
//         .permit(is_admin)
pub(super) fn expand_guard(guard: &Guard) -> TokenStream {
    let options = match guard {
        Guard::Anyone => return quote!(::lucia::__private::Guard::anyone()),
        Guard::Authenticated(options) => options,
    };
    let credentials = options.bearer.as_ref().map(|_| {
        let accepted = match options.cookie {
            Some(_) => quote!(CookieOrBearer),
            None => quote!(Bearer),
        };
        quote!(.token_source(::lucia::__private::TokenSource::#accepted))
    });
    let redirect = options
        .redirect
        .as_ref()
        .map(|path| quote!(.redirect(#path)));
    let within = options
        .recent
        .map(|seconds| quote!(.recent(::core::time::Duration::from_secs(#seconds))));
    let permit = options.permit.as_ref().map(|permit| {
        // A complaint about the function is to stand where the user named it.
        let (start, _) = ends(permit);
        let method = Ident::new("permit", start);
        quote!(.#method(#permit))
    });
    quote!(::lucia::__private::Guard::authenticated() #credentials #redirect #within #permit)
}
