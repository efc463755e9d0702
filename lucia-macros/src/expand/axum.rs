//! What is generated for axum alone.

use super::{Call, ends, hidden, or_return};
use crate::check;
use crate::crate_path::Lucia;
use crate::framework::Framework;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Signature, Type};

/// The type of `__lucia`. What is extracted from the request and the state stands in it, since only axum knows
/// the type of the state.
pub(super) fn incoming(call: &Call<'_>) -> TokenStream {
    let private = Framework::Axum.private(call.lucia);
    let types = &call.types;
    quote!(#private::Incoming<(#(#types,)*)>)
}

// Output:
//     static __GUARD: ::lucia::__private::Guard = ..;
//     let (__admitted, __parameters) = match __lucia.admit(&__GUARD, ::core::option::Option::None).await {
//         Ok(__admitted) => __admitted,
//         Err(__response) => return __response,
//     };
//     let (__p0, __p1,) = match __admitted.extract(__parameters).await { .. };
//     let __response = ::lucia::axum::__private::respond(
//         &__admitted,
//         me::<T>(__admitted.admission(), __admitted.auth_request(), __p0, __p1).await,
//     );
//     __admitted.finish(__response).await
pub(super) fn steps(call: &Call<'_>, incoming: &Ident) -> TokenStream {
    let (admitted, parameters) = (hidden("__admitted"), hidden("__parameters"));
    let guard = &call.guard;
    let values = call.values();
    let (kept, extraction) = if values.is_empty() {
        (quote!(_), None)
    } else {
        let extraction = or_return(
            &quote!((#(#values,)*)),
            &quote!(#admitted.extract(#parameters).await),
        );
        (parameters.to_token_stream(), Some(extraction))
    };
    let admission = or_return(&quote!((#admitted, #kept)), &call.admit(incoming));
    let future = call.future(&admitted, &values);
    let respond = call.respond(Framework::Axum, &admitted, &sent(call, future));
    let checks = call.types.iter().filter(|_| !call.is_generic);
    let checks = checks.map(|ty| check(ty, call.lucia));
    quote! {
        #(#checks)*
        #guard
        #admission
        #extraction
        #respond
    }
}

// Input:
//     me::<T>(..)
//
// Output:
//     ::lucia::axum::__private::sent(me::<T>(..))
//
// axum would say that the handler is none, without the line that is at fault. Whether a generic one is sent
// between threads is for its caller to see to.
fn sent(call: &Call<'_>, future: TokenStream) -> TokenStream {
    if call.is_generic {
        return future;
    }
    let (start, end) = call.reply_ends();
    let private = Framework::Axum.private_at(call.lucia, start);
    let sent = quote_spanned!(start=> sent);
    let argument = quote_spanned!(end=> (#future));
    quote!(#private::#sent #argument)
}

// Input:
//     User<Profile>
//
// Output:
//     {
//         #[allow(unused_imports)]
//         use ::lucia::axum::__private::Fallback as _;
//         ::lucia::axum::__private::Parameter::<User<Profile>>::new().check();
//     }
fn check(ty: &Type, lucia: &Lucia) -> TokenStream {
    let (start, end) = ends(ty);
    let private = Framework::Axum.private_at(lucia, start);
    let parameter = quote_spanned!(start=> Parameter::);
    let new_and_check = quote_spanned!(end=> ::new().check());
    let (open, close) = (quote_spanned!(start=> <), quote_spanned!(end=> >));
    quote! {
        {
            #[allow(unused_imports)]
            use #private::Fallback as _;
            #private::#parameter #open #ty #close #new_and_check;
        }
    }
}

// Input:
//     #[axum::debug_handler(state = AppState)]
//     async fn me(user: User<Profile>, Json(edit): Json<Edit>) -> Result<impl IntoResponse> { .. }
//
// Output:
//     #[allow(clippy::diverging_sub_expression, clippy::unused_async)]
//     const _: () = {
//         #[allow(dead_code)]
//         #[axum::debug_handler(state = AppState)]
//         async fn me(_: User<Profile>, _: Json<Edit>) {}
//     };
//
// The generated handler has a parameter that nobody wrote. Complaints are to be about those of the user.
pub(super) fn debug_handler(attrs: &[syn::Attribute], sig: &Signature) -> TokenStream {
    let types = check::parameters(sig).map(|parameter| &parameter.ty);
    let name = &sig.ident;
    let (generics, _, where_clause) = sig.generics.split_for_impl();
    quote! {
        #[allow(clippy::diverging_sub_expression, clippy::unused_async)]
        const _: () = {
            #[allow(dead_code)]
            #(#attrs)*
            async fn #name #generics (#(_: #types),*) #where_clause {}
        };
    }
}
