//! See [`macro@auto_route`].

use proc_macro::TokenStream;
use proc_macro2::TokenTree;
use quote::{format_ident, quote};

/// Takes the function below it for a handler of actix-web, and makes a function beside it that
/// registers it: `mount_me` for `me`.
#[proc_macro_attribute]
pub fn auto_route(path: TokenStream, function: TokenStream) -> TokenStream {
    let path = proc_macro2::TokenStream::from(path);
    let function = proc_macro2::TokenStream::from(function);
    let name = function
        .clone()
        .into_iter()
        .skip_while(|token| !matches!(token, TokenTree::Ident(word) if word == "fn"))
        .nth(1);
    let mount = match &name {
        Some(TokenTree::Ident(name)) => format_ident!("mount_{name}"),
        _ => return quote!(compile_error!("`auto_route` stands on a function");).into(),
    };
    quote! {
        #function

        #[allow(dead_code)]
        fn #mount(config: &mut ::actix_web::web::ServiceConfig) {
            config.route(#path, ::actix_web::web::get().to(#name));
        }
    }
    .into()
}
