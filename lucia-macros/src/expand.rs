//! From the user's function to the handler that actix-web calls.

use crate::args::{Attribute, Guard};
use crate::item::{Attributes, Handler};
use crate::{check, fallback};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{
    Error, GenericArgument, GenericParam, Generics, Ident, PatType, PathArguments, ReturnType,
    Signature, Type, TypeParam,
};

/// Expands the attribute. What is wrong with it is said beside an item that keeps its shape, and its body
/// wherever possible: while an option is being typed, the body still completes.
pub(crate) fn attribute(attribute: Attribute, args: TokenStream, item: TokenStream) -> TokenStream {
    let handler = match syn::parse2::<Handler>(item.clone()) {
        Ok(handler) => handler,
        Err(mistake) => {
            let mistake = mistake.into_compile_error();
            return quote!(#mistake #item);
        }
    };
    if let Err(mistakes) = check::signature(&handler.sig) {
        let mistakes = mistakes.into_compile_error();
        let fallback = fallback::expand(&handler);
        return quote!(#mistakes #fallback);
    }
    let guard = attribute.parse_guard(args);
    let mistakes = [
        guard.as_ref().err().cloned(),
        check::repetition(attribute, &handler).err(),
    ];
    let mistakes = mistakes
        .into_iter()
        .flatten()
        .map(Error::into_compile_error);
    let handler = expand(handler, &guard.unwrap_or(attribute.guard()));
    quote!(#(#mistakes)* #handler)
}

// Input:
//     #[get("/me")]
//     #[instrument(skip_all)]
//     /// Docs.
//     pub async fn me<T: ..>(user: User<T>, mut body: web::Json<Edit>) -> Result<impl Responder> { .. }
//
// Output:
//     #[get("/me")]
//     /// Docs.
//     pub async fn me<T: ..>(__lucia: ::lucia::__private::Incoming) -> ::lucia::__private::Response {
//         #[instrument(skip_all)]
//         async fn me<T: ..>(
//             auth_request: ::lucia::__private::AuthRequest,
//             user: User<T>,
//             mut body: web::Json<Edit>,
//         ) -> Result<impl Responder> { .. }
//
//         match __lucia.admit::<(.., ..,)>(::lucia::__private::Guard::Authenticated).await {
//             Ok((__outgoing, __auth_request, (__p0, __p1,))) => {
//                 __outgoing.respond(me::<T>(__auth_request, __p0, __p1).await)
//             }
//             Err(__response) => __response,
//         }
//     }
//
// The name stays, so that a route attribute may stand above or below, and so does the user's function,
// inside: its return type, its `?` and its errors are its own.
fn expand(handler: Handler, guard: &Guard) -> TokenStream {
    let incoming = hidden("__lucia");
    let outgoing = hidden("__outgoing");
    let auth_request = hidden("__auth_request");
    let response = hidden("__response");

    let injects = !names_auth_request(&handler.sig);
    let function = function(&handler, injects);
    let guard = expand_guard(guard);

    let parameters: Vec<&PatType> = check::parameters(&handler.sig).collect();
    let values: Vec<Ident> = (0..parameters.len())
        .map(|i| hidden(&format!("__p{i}")))
        .collect();
    let mut generics = handler.sig.generics.clone();
    let types: Vec<TokenStream> = parameters
        .iter()
        .map(|parameter| extractor(nameable(&parameter.ty, &mut generics)))
        .collect();

    let auth_request_pattern = if injects {
        quote!(#auth_request)
    } else {
        quote!(_)
    };
    let injected = injects.then(|| quote!(#auth_request,));
    let name = &handler.sig.ident;
    let turbofish = turbofish(&handler.sig.generics);
    // Where the user wrote the return type, for that is what a complaint about it is about.
    let (start, end) = match &handler.sig.output {
        ReturnType::Type(_, ty) => ends(ty),
        ReturnType::Default => ends(name),
    };
    let mut callee = name.clone();
    callee.set_span(start);
    let dot_await = quote_spanned!(end=> .await);
    let reply = quote!(#callee #turbofish (#injected #(::lucia::__private::Extracted::value(#values)),*) #dot_await);

    let Handler {
        attrs: Attributes { handler: attrs, .. },
        vis,
        inner_attrs,
        ..
    } = &handler;
    let (generics, _, where_clause) = generics.split_for_impl();
    quote! {
        #(#attrs)*
        #vis async fn #name #generics (
            #incoming: ::lucia::__private::Incoming,
        ) -> ::lucia::__private::Response #where_clause {
            #(#inner_attrs)*
            #function

            match #incoming.admit(#guard, || (#(#types,)*)).await {
                ::core::result::Result::Ok((#outgoing, #auth_request_pattern, (#(#values,)*))) => {
                    #outgoing.respond(#reply)
                }
                ::core::result::Result::Err(#response) => #response,
            }
        }
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
//         #[allow(unused_variables)] auth_request: ::lucia::__private::AuthRequest,
//         user: User<Profile>,
//     ) -> Result<impl Responder> { .. }
//
// `auth_request` is the one name that the body sees and the user did not write. The body is not looked at.
fn function(handler: &Handler, injects: bool) -> TokenStream {
    let Handler {
        attrs: Attributes {
            function: attrs, ..
        },
        sig,
        brace,
        body,
        ..
    } = handler;
    let mut sig = sig.clone();
    if injects {
        let auth_request = Ident::new(AUTH_REQUEST, Span::call_site());
        sig.inputs.insert(
            0,
            syn::parse_quote! {
                #[allow(unused_variables)] #auth_request: ::lucia::__private::AuthRequest
            },
        );
    }
    let mut block = TokenStream::new();
    brace.surround(&mut block, |block| body.to_tokens(block));
    // That there is one parameter more, and that the function is called rather than passed to actix-web,
    // is not the user's doing.
    quote! {
        #[allow(clippy::too_many_arguments, clippy::unused_async)]
        #(#attrs)*
        #sig #block
    }
}

fn expand_guard(guard: &Guard) -> TokenStream {
    match guard {
        Guard::Anyone => quote!(::lucia::__private::Guard::Anyone),
        Guard::Authenticated => quote!(::lucia::__private::Guard::Authenticated),
        Guard::AuthenticatedOrRedirect(path) => {
            quote!(::lucia::__private::Guard::AuthenticatedOrRedirect(#path))
        }
    }
}

// Input:
//     User<Profile>
//
// Output:
//     <User<Profile> as ::lucia::__private::Extractor>::Itself
//
// A type that is no extractor has no such associated type; so this is the one place that complains, and
// it is where the user wrote the type.
fn extractor(ty: Type) -> TokenStream {
    let (start, _) = ends(&ty);
    quote_spanned!(start=> ::lucia::__private::extract::<#ty>())
}

// Input:
//     async fn edit<T>(user: User<T>, form: web::Form<impl Edit>)
//
// Output:
//     <T, __Impl1: Edit>      web::Form<__Impl1>
//
// The type of a parameter is named a second time, where it is extracted.
fn nameable(ty: &Type, generics: &mut Generics) -> Type {
    let mut ty = ty.clone();
    name_impl_traits(&mut ty, generics);
    ty
}

fn name_impl_traits(ty: &mut Type, generics: &mut Generics) {
    match ty {
        Type::ImplTrait(bounded) => {
            let ident = format_ident!("__Impl{}", generics.params.len());
            let param: TypeParam = {
                let bounds = &bounded.bounds;
                syn::parse_quote!(#ident: #bounds)
            };
            generics.params.push(GenericParam::Type(param));
            *ty = syn::parse_quote!(#ident);
        }
        Type::Path(path) => {
            for segment in &mut path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                    for argument in &mut arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            name_impl_traits(ty, generics);
                        }
                    }
                }
            }
        }
        Type::Tuple(tuple) => tuple
            .elems
            .iter_mut()
            .for_each(|elem| name_impl_traits(elem, generics)),
        Type::Array(array) => name_impl_traits(&mut array.elem, generics),
        Type::Paren(paren) => name_impl_traits(&mut paren.elem, generics),
        Type::Group(group) => name_impl_traits(&mut group.elem, generics),
        _ => {}
    }
}

// Input:
//     <'a, T: Load, const N: usize>
//
// Output:
//     ::<T, N>
//
// Lifetimes are inferred.
fn turbofish(generics: &Generics) -> Option<TokenStream> {
    let arguments: Vec<&Ident> = generics
        .params
        .iter()
        .filter_map(|param| match param {
            GenericParam::Type(param) => Some(&param.ident),
            GenericParam::Const(param) => Some(&param.ident),
            GenericParam::Lifetime(_) => None,
        })
        .collect();
    (!arguments.is_empty()).then(|| quote!(::<#(#arguments),*>))
}

const AUTH_REQUEST: &str = "auth_request";

/// Whether the user has an `AuthRequest` under a name of their own, or uses our name for something else:
/// perhaps the same type under an alias.
fn names_auth_request(sig: &Signature) -> bool {
    check::parameters(sig).any(|parameter| {
        is_auth_request(&parameter.ty) || binds(parameter.pat.to_token_stream(), AUTH_REQUEST)
    })
}

fn is_auth_request(ty: &Type) -> bool {
    match ty {
        Type::Path(ty) => ty
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "AuthRequest"),
        Type::Paren(ty) => is_auth_request(&ty.elem),
        Type::Group(ty) => is_auth_request(&ty.elem),
        _ => false,
    }
}

/// Whether a pattern has a variable of this name: the name is in it, and not as that of a field.
fn binds(pattern: TokenStream, variable: &str) -> bool {
    let mut tokens = pattern.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let found = match token {
            TokenTree::Ident(ident) => {
                let field =
                    matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                ident.unraw() == variable && !field
            }
            TokenTree::Group(group) => binds(group.stream(), variable),
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        };
        if found {
            return true;
        }
    }
    false
}

/// The spans of the first and the last of the tokens, for generated code that a message about them is to
/// point at, with names that only generated code sees.
fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut spans = tokens
        .to_token_stream()
        .into_iter()
        .map(|token| token.span());
    let start = spans.next().unwrap_or_else(Span::call_site);
    let end = spans.last().unwrap_or(start);
    let hidden = |span| Span::mixed_site().located_at(span);
    (hidden(start), hidden(end))
}

/// A name that the user's code cannot see.
fn hidden(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}
