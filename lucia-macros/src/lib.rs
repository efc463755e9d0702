//! The attributes of `lucia`.

mod args;
mod check;
mod expand;
mod fallback;
mod item;

use crate::args::Attribute;
use proc_macro::TokenStream;

/// TODO
#[proc_macro_attribute]
pub fn auth_request(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::AuthRequest, args.into(), item.into()).into()
}

/// TODO
#[proc_macro_attribute]
pub fn authenticated(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Authenticated, args.into(), item.into()).into()
}
