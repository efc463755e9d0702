//! What a signature names: types that are written a second time, generics that are passed on, and a
//! parameter `auth_request` that the user wrote.

use crate::check;
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{
    GenericArgument, GenericParam, Generics, Ident, PathArguments, Signature, Type, TypeParam,
};

// Input:
//     async fn edit<T>(user: User<T>, form: web::Form<impl Edit>)
//
// Output:
//     <T, __Impl1: Edit>      web::Form<__Impl1>
//
// The type of a parameter is named a second time, where it is extracted.
pub(super) fn nameable(ty: &Type, generics: &mut Generics) -> Type {
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
pub(super) fn turbofish(generics: &Generics) -> Option<TokenStream> {
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

/// The binding that the body of a handler has.
pub(super) const AUTH_REQUEST: &str = "auth_request";

/// Whether the user has a parameter of this name already, whatever its type.
pub(crate) fn binds_auth_request(sig: &Signature) -> bool {
    check::parameters(sig).any(|parameter| binds(parameter.pat.to_token_stream(), AUTH_REQUEST))
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
