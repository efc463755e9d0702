//! From the user's function to the handler that actix-web calls.

use crate::args::{Attribute, Guard};
use crate::item::{Attributes, Handler};
use crate::{check, fallback};
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{
    Error, GenericArgument, GenericParam, Generics, Ident, PathArguments, ReturnType, Signature,
    Type, TypeParam,
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
        let fallback = fallback::expand(handler);
        return quote!(#mistakes #fallback);
    }
    let guard = attribute.parse_guard(args);
    let repetition = check::repetition(attribute, &handler);
    let mistakes = [guard.as_ref().err().cloned(), repetition.err()];
    let mistakes = mistakes
        .into_iter()
        .flatten()
        .map(Error::into_compile_error);
    let handler = expand(&handler, &guard.unwrap_or_else(|_| attribute.guard()));
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
//     pub async fn me<T: Load>(__lucia: ::lucia::__private::Incoming) -> ::lucia::__private::Response {
//         #[instrument(skip_all)]
//         async fn me<T: Load>(
//             auth_request: ::lucia::__private::AuthRequest,
//             user: User<T>,
//             mut body: web::Json<Edit>,
//         ) -> Result<impl Responder> { .. }
//
//         fn __extract0<T: Load>(value: User<T>) -> impl .. { value }
//         fn __extract1<T: Load>(value: web::Json<Edit>) -> impl .. { value }
//         fn __as_returned_by<T, P>(_: fn(T) -> P, parameters: P) -> P { parameters }
//
//         match __lucia.admit(::lucia::__private::Guard::Authenticated).await {
//             Ok((__outgoing, __auth_request, __parameters)) => {
//                 let (__p0, __p1,) = __as_returned_by(
//                     |(__p0, __p1,)| (__extract0::<T>(__p0), __extract1::<T>(__p1),),
//                     __parameters,
//                 );
//                 __outgoing.respond(me::<T>(__auth_request, __p0.into(), __p1.into()).await)
//             }
//             Err(__response) => __response,
//         }
//     }
//
// The name stays, so that a route attribute may stand above or below; so does the user's function, inside:
// its return type, its `?` and its errors are its own.
fn expand(handler: &Handler, guard: &Guard) -> TokenStream {
    let incoming = hidden("__lucia");
    let outgoing = hidden("__outgoing");
    let auth_request = hidden("__auth_request");
    let parameters = hidden("__parameters");
    let response = hidden("__response");

    let Handler {
        attrs,
        vis,
        sig,
        inner_attrs,
        ..
    } = handler;
    let Attributes {
        handler: attrs,
        repeated,
        ..
    } = attrs;
    let repeated = repeated.iter().map(syn::Attribute::path);
    let name = &sig.ident;
    let guard = expand_guard(guard);
    let injects = !names_auth_request(sig);
    let function = function(handler, injects);
    let (auth_request_pattern, injected) = if injects {
        (quote!(#auth_request), Some(quote!(#auth_request,)))
    } else {
        (quote!(_), None)
    };

    let mut generics = sig.generics.clone();
    let types: Vec<Type> = check::parameters(sig)
        .map(|parameter| nameable(&parameter.ty, &mut generics))
        .collect();
    let values: Vec<Ident> = (0..types.len())
        .map(|i| hidden(&format!("__p{i}")))
        .collect();
    let extracts: Vec<Ident> = (0..types.len())
        .map(|i| hidden(&format!("__extract{i}")))
        .collect();
    let extract = extracts
        .iter()
        .zip(&types)
        .map(|(name, ty)| extract(name, ty, &generics));
    let extract_turbofish = turbofish(&generics);
    let turbofish = turbofish(&sig.generics);
    let (generics, _, where_clause) = generics.split_for_impl();

    // A complaint about the type of the reply is to point at where the user wrote it.
    let (start, end) = match &sig.output {
        ReturnType::Type(_, ty) => ends(ty),
        ReturnType::Default => ends(name),
    };
    let [start, end] = [start, end].map(|span| Span::mixed_site().located_at(span));
    let mut function_name = name.clone();
    function_name.set_span(start);
    let arguments = quote!(#injected #(::core::convert::Into::<#types>::into(#values)),*);
    let dot_await = quote_spanned!(end=> .await);
    let reply = quote!(#function_name #turbofish (#arguments) #dot_await);

    quote! {
        #(#attrs)*
        #vis async fn #name #generics (
            #incoming: ::lucia::__private::Incoming,
        ) -> ::lucia::__private::Response #where_clause {
            #(#inner_attrs)*
            #(#[allow(unused_imports)] use #repeated as _;)*
            #function
            #(#extract)*
            fn __as_returned_by<T, P>(_: fn(T) -> P, parameters: P) -> P {
                parameters
            }

            match #incoming.admit(#guard).await {
                ::core::result::Result::Ok((#outgoing, #auth_request_pattern, #parameters)) => {
                    let (#(#values,)*) = __as_returned_by(
                        |(#(#values,)*)| (#(#extracts #extract_turbofish (#values),)*),
                        #parameters,
                    );
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
pub(crate) fn function(handler: &Handler, injects: bool) -> TokenStream {
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

// Input:
//     User<T>
//
// Output:
//     fn __extract0<T: Load>(
//         value: User<T>,
//     ) -> impl ::core::convert::Into<User<T>> + 'static + ::lucia::__private::Extractor {
//         value
//     }
//
// Never called: it says what is extracted. If the generated handler named the type itself, one that is no
// extractor would be complained about at every place. What this function returns is known to be an
// extractor outside of it; so the one complaint is about it, and points to where the user wrote the type.
fn extract(name: &Ident, ty: &Type, generics: &Generics) -> TokenStream {
    let (start, end) = ends(ty);
    let inside = Span::mixed_site().located_at(start);
    let opaque = quote_spanned!(start=> impl);
    let extractor = quote_spanned!(end=> Extractor);
    let (generics, _, where_clause) = generics.split_for_impl();
    quote_spanned! {inside=>
        fn #name #generics (
            value: #ty,
        ) -> #opaque ::core::convert::Into<#ty> + 'static + ::lucia::__private::#extractor
        #where_clause {
            value
        }
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
pub(crate) fn names_auth_request(sig: &Signature) -> bool {
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
