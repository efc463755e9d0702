//! The guard that the options of an attribute stand for.

use super::ends;
use crate::args::Guard;
use crate::crate_path::Lucia;
use crate::framework::Framework;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

// Input:
//     #[authenticated(cookie, bearer, redirect = "/login", recent = "10m")]
//
// Output:
//     ::lucia::__private::Guard::of_attribute(
//         ::core::option::Option::Some(::lucia::__private::TokenSource::CookieOrBearer),
//         ::core::option::Option::Some("/login"),
//         ::core::option::Option::Some(600u64),
//     )
//
// It is a constant: it is made when the program is compiled.
pub(super) fn expand_guard(guard: &Guard, lucia: &Lucia) -> TokenStream {
    let lucia = lucia.path();
    let options = match guard {
        Guard::Anyone => return quote!(#lucia::__private::Guard::anyone()),
        Guard::Authenticated(options) => options,
    };
    let source = match (&options.cookie, &options.bearer) {
        (Some(_), Some(_)) => Some(quote!(CookieOrBearer)),
        (None, Some(_)) => Some(quote!(Bearer)),
        (Some(_), None) => Some(quote!(Cookie)),
        (None, None) => None,
    };
    let source = source.map(|source| quote!(#lucia::__private::TokenSource::#source));
    let source = option(source.as_ref());
    let redirect = option(options.redirect.as_ref());
    let recent = option(options.recent.as_ref());
    quote! {
        #lucia::__private::Guard::of_attribute(
            #source,
            #redirect,
            #recent,
        )
    }
}

fn option(value: Option<&impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

// Input:
//     #[authenticated(permit = is_admin)]
//
// Output:
//     ::core::option::Option::Some(::lucia::actix::__private::permit(is_admin))
//
// It is passed beside the guard, since its types may be those of the handler.
pub(super) fn expand_permit(framework: Framework, guard: &Guard, lucia: &Lucia) -> TokenStream {
    let permit = match guard {
        Guard::Authenticated(options) => options.permit.as_ref(),
        Guard::Anyone => None,
    };
    match permit {
        Some(permit) => {
            // A complaint about the function is to stand where the user named it.
            let (start, end) = ends(permit);
            let private = framework.private_at(lucia, start);
            let function = Ident::new("permit", start);
            let argument = quote_spanned!(end=> (#permit));
            let path = quote_spanned!(start=> #private::#function);
            option(Some(&quote!(#path #argument)))
        }
        None => option(None::<&TokenStream>),
    }
}
