//! What is generated for actix-web alone.

use super::{Call, ends, hidden, or_return};
use crate::crate_path::Lucia;
use crate::framework::Framework;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Ident, Type};

/// The type of `__lucia`.
pub(super) fn incoming(call: &Call<'_>) -> TokenStream {
    let private = Framework::Actix.private(call.lucia);
    quote!(#private::Incoming)
}

// Output:
//     static __GUARD: ::lucia::__private::Guard = ..;
//     let mut __admitted = match __lucia.admit(&__GUARD, ::core::option::Option::None).await {
//         Ok(__admitted) => __admitted,
//         Err(__response) => return __response,
//     };
//     let __p0 = match ::lucia::actix::__private::extract::<User<T>>(&mut __admitted).await { .. };
//     let __p1 = match ::lucia::actix::__private::extract::<web::Json<Edit>>(&mut __admitted).await { .. };
//     let __response = ::lucia::actix::__private::respond(
//         &__admitted,
//         me::<T>(__admitted.admission(), __admitted.auth_request(), __p0, __p1).await,
//     );
//     __admitted.finish(__response).await
pub(super) fn steps(call: &Call<'_>, incoming: &Ident) -> TokenStream {
    let admitted = hidden("__admitted");
    let Call { guard, lucia, .. } = call;
    let admission = or_return(&quote!(mut #admitted), &call.admit(incoming));
    let values = call.values();
    let extractions = values
        .iter()
        .zip(&call.types)
        .map(|(value, ty)| or_return(value, &extract(ty, &admitted, lucia)));
    let future = call.future(&admitted, &values);
    let respond = call.respond(Framework::Actix, &admitted, &future);
    quote! {
        #guard
        #[allow(unused_mut)]
        #admission
        #(#extractions)*
        #respond
    }
}

// Input:
//     User<T>
//
// Output:
//     ::lucia::actix::__private::extract::<User<T>>(&mut __admitted).await
//
// The compiler complains about a type that is no extractor at the type, at the call and at the `await`.
// All of them stand where the user wrote the type, and what is said thrice of one place is shown once.
fn extract(ty: &Type, admitted: &Ident, lucia: &Lucia) -> TokenStream {
    let (start, end) = ends(ty);
    let private = Framework::Actix.private_at(lucia, start);
    let path = quote_spanned!(start=> #private::extract);
    let arguments = quote_spanned!(end=> (&mut #admitted));
    let dot = quote_spanned!(start=> .);
    let r#await = quote_spanned!(end=> await);
    let (open, close) = (quote_spanned!(start=> ::<), quote_spanned!(end=> >));
    quote!(#path #open #ty #close #arguments #dot #r#await)
}
