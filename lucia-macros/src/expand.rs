//! From the user's function to the handler that the framework calls.

mod actix;
mod axum;
mod guard;
mod own_type;
mod signature;

use guard::{expand_guard, expand_permit};
use signature::{AUTH_REQUEST, nameable, turbofish};

pub(crate) use own_type::Place;
pub(crate) use signature::binds_auth_request;

use crate::args::{Args, Attribute, Guard};
use crate::crate_path::Lucia;
use crate::framework::Framework;
use crate::item::{Attributes, Handler};
use crate::{check, fallback};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::{Error, Ident, ReturnType, Signature, Type};

/// Expands the attribute. What is wrong with it is said beside an item that keeps its shape, and its body
/// wherever possible: while an option is being typed, the body still completes.
pub(crate) fn attribute(
    framework: Framework,
    attribute: Attribute,
    args: TokenStream,
    item: TokenStream,
) -> TokenStream {
    let parser = |input: ParseStream<'_>| Handler::parse(framework, input);
    let handler = match parser.parse2(item.clone()) {
        Ok(handler) => handler,
        Err(mistake) => {
            let mistake = mistake.into_compile_error();
            return quote!(#mistake #item);
        }
    };
    if let Err(mistakes) = check::signature(framework, &handler.sig) {
        let mistakes = mistakes.into_compile_error();
        let lucia = attribute.parse_args(args).map(|args| args.lucia);
        let lucia = lucia.unwrap_or(Lucia::DEFAULT);
        let fallback = fallback::expand(framework, handler, &lucia);
        return quote!(#mistakes #fallback);
    }
    let args = attribute.parse_args(args);
    let repetition = check::repetition(attribute, &handler);
    let mistakes = [args.as_ref().err().cloned(), repetition.err()];
    let mistakes = mistakes
        .into_iter()
        .flatten()
        .map(Error::into_compile_error);
    let handler = expand(
        framework,
        &handler,
        &args.unwrap_or_else(|_| attribute.args()),
    );
    quote!(#(#mistakes)* #handler)
}

// Input:
//     #[get("/me")]
//     #[instrument(skip_all)]
//     /// Docs.
//     pub async fn me<T: Load>(user: User<T>, mut body: web::Json<Edit>) -> Result<impl Responder> { .. }
//
// Output:
//     #[get("/me")]
//     /// Docs.
//     pub async fn me<T: Load>(__lucia: ::lucia::actix::__private::Incoming) -> ::lucia::actix::__private::Response {
//         #[instrument(skip_all)]
//         async fn me<T: Load>(
//             _: ::lucia::__private::Admission,
//             auth_request: ::lucia::__private::AuthRequest,
//             user: User<T>,
//             mut body: web::Json<Edit>,
//         ) -> Result<impl Responder> { .. }
//
//         .. // see `actix.rs` and `axum.rs`
//     }
//
// The name stays, so that a route attribute may stand above or below; so does the user's function, inside:
// its return type, its `?` and its errors are its own. In an `impl` whose type it names, it goes beside the
// handler instead, as `__lucia_me`, and is called as `Self::__lucia_me::<T>(..)`.
fn expand(framework: Framework, handler: &Handler, args: &Args) -> TokenStream {
    let Args { guard, lucia } = args;
    let Handler {
        attrs,
        vis,
        sig,
        inner_attrs,
        ..
    } = handler;
    let Attributes {
        handler: attrs,
        debug,
        repeated,
        ..
    } = attrs;
    let place = Place::of(handler);
    let attrs = attrs.iter().filter(|attr| place.is_for_handler(attr));
    // The copy is a function inside of the handler, too.
    let can_be_copied = !debug.is_empty() && !own_type::has_self(sig.to_token_stream());
    let debug = can_be_copied.then(|| axum::debug_handler(debug, sig));
    let repeated = repeated.iter().map(syn::Attribute::path);
    let name = &sig.ident;
    let private = framework.private(lucia);
    let injects = !binds_auth_request(sig);
    let function = function(handler, injects, place, lucia);
    let (inside, beside) = match place {
        Place::Inside => (Some(function), None),
        Place::Beside => (None, Some(function)),
    };

    let mut generics = sig.generics.clone();
    let types: Vec<Type> = check::parameters(sig)
        .map(|parameter| nameable(&parameter.ty, &mut generics))
        .collect();
    let call = Call {
        sig,
        name: place.name(handler),
        path: place.path(),
        injects,
        guard: static_guard(guard, lucia),
        permit: expand_permit(framework, guard, lucia),
        lucia,
        // The `impl` may be.
        is_generic: generics.type_params().next().is_some() || place == Place::Beside,
        types,
    };
    let incoming = hidden("__lucia");
    let (incoming_type, steps) = match framework {
        Framework::Actix => (actix::incoming(&call), actix::steps(&call, &incoming)),
        Framework::Axum => (axum::incoming(&call), axum::steps(&call, &incoming)),
    };
    let (generics, _, where_clause) = generics.split_for_impl();

    quote! {
        #beside

        #(#attrs)*
        #vis async fn #name #generics (
            #incoming: #incoming_type,
        ) -> #private::Response #where_clause {
            #(#inner_attrs)*
            #(#[allow(unused_imports)] use #repeated as _;)*
            #debug
            #inside

            #steps
        }
    }
}

/// How the user's function comes to be called.
struct Call<'a> {
    sig: &'a Signature,
    name: Ident,
    /// What stands before the name.
    path: Option<TokenStream>,
    /// Whether it takes an `AuthRequest` that the user did not write.
    injects: bool,
    /// A statement that defines the guard, under the name of [`GUARD`].
    guard: TokenStream,
    permit: TokenStream,
    lucia: &'a Lucia,
    /// Whether what it is called with may depend on type parameters.
    is_generic: bool,
    /// The types of its parameters.
    types: Vec<Type>,
}

/// The name of the guard.
const GUARD: &str = "__GUARD";

// Output:
//     static __GUARD: ::lucia::__private::Guard = ::lucia::__private::Guard::of_attribute(..);
fn static_guard(guard: &Guard, lucia: &Lucia) -> TokenStream {
    let (name, value) = (hidden(GUARD), expand_guard(guard, lucia));
    let lucia = lucia.path();
    quote!(static #name: #lucia::__private::Guard = #value;)
}

impl Call<'_> {
    // Output:
    //     __lucia.admit(&__GUARD, ::core::option::Option::None).await
    fn admit(&self, incoming: &Ident) -> TokenStream {
        let (guard, permit) = (hidden(GUARD), &self.permit);
        quote!(#incoming.admit(&#guard, #permit).await)
    }

    /// Names for the parameters.
    fn values(&self) -> Vec<Ident> {
        let count = self.types.len();
        (0..count).map(|i| hidden(&format!("__p{i}"))).collect()
    }

    // Output:
    //     me::<T>(__admitted.admission(), __admitted.auth_request(), __p0)
    fn future(&self, admitted: &Ident, values: &[Ident]) -> TokenStream {
        let (start, end) = self.reply_ends();
        let path = &self.path;
        let mut function = self.name.clone();
        function.set_span(function.span().located_at(start));
        let turbofish = turbofish(&self.sig.generics);
        let injected = self.injects.then(|| quote!(#admitted.auth_request(),));
        let arguments = quote!(#admitted.admission(), #injected #(#values),*);
        let arguments = quote_spanned!(end=> (#arguments));
        quote!(#path #function #turbofish #arguments)
    }

    // Output:
    //     let __response = ::lucia::actix::__private::respond(&__admitted, future.await);
    //     __admitted.finish(__response).await
    //
    // A complaint about the type of the reply is to stand where the user wrote it, and only once: so what
    // is awaited does not have this type in it.
    fn respond(&self, framework: Framework, admitted: &Ident, future: &TokenStream) -> TokenStream {
        let private = framework.private(self.lucia);
        let (_, end) = self.reply_ends();
        let dot_await = quote_spanned!(end=> .await);
        let response = hidden("__response");
        quote! {
            let #response = #private::respond(&#admitted, #future #dot_await);
            #admitted.finish(#response).await
        }
    }

    /// Where the type of the reply begins and ends.
    fn reply_ends(&self) -> (Span, Span) {
        match &self.sig.output {
            ReturnType::Type(_, ty) => ends(ty),
            ReturnType::Default => ends(&self.sig.ident),
        }
    }
}

// Output:
//     let value = match result {
//         Ok(value) => value,
//         Err(__response) => return __response,
//     };
fn or_return(value: &impl ToTokens, result: &TokenStream) -> TokenStream {
    let (found, response) = (hidden("__found"), hidden("__response"));
    quote! {
        let #value = match #result {
            ::core::result::Result::Ok(#found) => #found,
            ::core::result::Result::Err(#response) => return #response,
        };
    }
}

// Input:
//     #[instrument(skip_all)]
//     async fn me(user: User<Profile>) -> Result<impl Responder> { .. }
//
// Output:
//     #[allow(clippy::too_many_arguments, clippy::unused_async)]
//     #[instrument(skip_all)]
//     async fn me(
//         _: ::lucia::__private::Admission,
//         #[allow(unused_variables)] auth_request: ::lucia::__private::AuthRequest,
//         user: User<Profile>,
//     ) -> Result<impl Responder> { .. }
//
// What takes an `Admission` is no handler: an attribute below ours that registers the function by itself,
// past the guard, does not compile. `auth_request` is the one name that the body sees and the user did not write. The body is not looked at.
pub(crate) fn function(
    handler: &Handler,
    injects: bool,
    place: Place,
    lucia: &Lucia,
) -> TokenStream {
    let Handler {
        attrs:
            Attributes {
                function: attrs,
                handler: of_handler,
                ..
            },
        sig,
        inner_attrs,
        brace,
        body,
        ..
    } = handler;
    // What stands in the handler is under its attributes.
    let is_beside = place == Place::Beside;
    let shared = own_type::shared(of_handler).filter(|_| is_beside);
    let inner_attrs = inner_attrs.iter().filter(|_| is_beside);
    let mut sig = sig.clone();
    sig.ident = place.name(handler);
    let lucia = lucia.path();
    sig.inputs
        .insert(0, syn::parse_quote!(_: #lucia::__private::Admission));
    if injects {
        let auth_request = Ident::new(AUTH_REQUEST, Span::call_site());
        sig.inputs.insert(
            1,
            syn::parse_quote! {
                #[allow(unused_variables)] #auth_request: #lucia::__private::AuthRequest
            },
        );
    }
    let mut block = TokenStream::new();
    brace.surround(&mut block, |block| {
        block.extend(quote!(#(#inner_attrs)*));
        body.to_tokens(block);
    });
    // That there is one parameter more, and that the function is called rather than passed to the framework,
    // is not the user's doing.
    quote! {
        #(#shared)*
        #[allow(clippy::too_many_arguments, clippy::unused_async)]
        #(#attrs)*
        #sig #block
    }
}

/// The spans of the first and the last of the tokens, for generated code that a message about them is to
/// point at.
fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut spans = tokens
        .to_token_stream()
        .into_iter()
        .map(|token| token.span());
    let start = spans.next().unwrap_or_else(Span::call_site);
    (start, spans.last().unwrap_or(start))
}

/// A name that the user's code cannot see.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

#[cfg(test)]
mod tests;
