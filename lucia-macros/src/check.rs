//! What a handler cannot be. Each check points at the user's own token and says what to write instead.

use crate::args::Attribute;
use crate::framework::Framework;
use crate::item::{self, Handler};
use quote::ToTokens;
use std::fmt::Display;
use syn::{
    Error, FnArg, GenericArgument, Ident, PatType, Path, PathArguments, Result, ReturnType, Safety,
    Signature, Type,
};

/// Checks what the generated handler could not be built from.
pub(crate) fn signature(framework: Framework, sig: &Signature) -> Result<()> {
    all([
        check_qualifiers(sig),
        check_receiver(framework, sig),
        check_variadic(sig),
        check_return_type(framework, sig),
        check_parameter_count(framework, sig),
        check_body_is_last(framework, sig),
        all(parameters(sig).map(|parameter| check_parameter(framework, parameter))),
    ])
}

/// Checks that the handler has one of our attributes, once.
pub(crate) fn repetition(attribute: Attribute, handler: &Handler) -> Result<()> {
    all(handler.attrs.repeated.iter().map(|repeated| {
        let message = match (attribute, item::ours(repeated.path())) {
            (Attribute::AuthRequest, Some(Attribute::Authenticated))
            | (Attribute::Authenticated, Some(Attribute::AuthRequest)) => {
                "`#[authenticated]` includes `#[auth_request]`: remove `#[auth_request]`".to_owned()
            }
            _ => format!(
                "`#[{}]` is on this handler already: remove one of the two",
                attribute.name(),
            ),
        };
        Err(Error::new_spanned(repeated.path(), message))
    }))
}

/// The parameters that are extracted.
pub(crate) fn parameters(sig: &Signature) -> impl Iterator<Item = &PatType> {
    sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(parameter) => Some(parameter),
        FnArg::Receiver(_) => None,
    })
}

fn check_qualifiers(sig: &Signature) -> Result<()> {
    let blocking = sig.constness.is_none() && sig.asyncness.is_none();
    let unsafety = match &sig.safety {
        Safety::Default => None,
        token => Some(token),
    };
    all([
        refuse(
            sig.constness.as_ref(),
            "a handler waits for the database: write `async fn` without `const`",
        ),
        refuse(
            blocking.then_some(sig.fn_token),
            "a handler waits for the database: write `async fn`",
        ),
        refuse(
            unsafety,
            "the server calls a handler, and knows of no promise to keep: remove `unsafe`, and write \
             an `unsafe` block inside",
        ),
        refuse(
            sig.abi.as_ref(),
            "the server calls a handler as a Rust function: remove `extern`",
        ),
    ])
}

fn check_receiver(framework: Framework, sig: &Signature) -> Result<()> {
    let shared = framework.shared();
    refuse(
        sig.receiver(),
        format!("a handler is a free function: take `{shared}` instead of `self`"),
    )
}

fn check_variadic(sig: &Signature) -> Result<()> {
    refuse(
        sig.variadic.as_ref(),
        "each parameter of a handler is an extractor: remove `...`",
    )
}

fn check_return_type(framework: Framework, sig: &Signature) -> Result<()> {
    match &sig.output {
        ReturnType::Type(..) => Ok(()),
        ReturnType::Default => Err(Error::new(
            sig.ident.span(),
            format!(
                "a handler answers: declare what it returns, such as `-> {}`",
                framework.reply(),
            ),
        )),
    }
}

fn check_parameter_count(framework: Framework, sig: &Signature) -> Result<()> {
    /// Both frameworks implement `FromRequest` for tuples up to this length.
    const MOST: usize = 16;

    let name = framework.name();
    refuse(
        parameters(sig).nth(MOST),
        format!(
            "{name} extracts at most {MOST} parameters: \
             take some of them together as a tuple, such as `(a, b): (A, B)`"
        ),
    )
}

/// The compiler would say that the handler as a whole is none.
fn check_body_is_last(framework: Framework, sig: &Signature) -> Result<()> {
    if !framework.reads_the_body_last() {
        return Ok(());
    }
    let mut parameters = parameters(sig).peekable();
    let mut mistakes = Vec::new();
    while let Some(parameter) = parameters.next() {
        let ty = body_extractor(&parameter.ty);
        if let (Some(ty), Some(_)) = (ty, parameters.peek()) {
            mistakes.push(Err(Error::new_spanned(
                &parameter.ty,
                format!(
                    "`{ty}` reads the body, which only the last parameter can: move it to the end"
                ),
            )));
        }
    }
    all(mistakes)
}

/// The name of a type that is known to read the body: these names are not used for other types.
fn body_extractor(ty: &Type) -> Option<&'static str> {
    const NAMES: [&str; 6] = ["Bytes", "Form", "Json", "Multipart", "RawForm", "String"];

    match ty {
        Type::Path(ty) if ty.qself.is_none() => {
            let last = ty.path.segments.last()?;
            NAMES.into_iter().find(|name| last.ident == name)
        }
        Type::Paren(ty) => body_extractor(&ty.elem),
        Type::Group(ty) => body_extractor(&ty.elem),
        _ => None,
    }
}

fn check_parameter(framework: Framework, parameter: &PatType) -> Result<()> {
    let mut attrs = parameter.attrs.iter();
    refuse(
        attrs.find(|attr| attr.path().is_ident("cfg")),
        "a parameter of a handler is always there: put `#[cfg(..)]` on one handler for each case",
    )?;
    // In axum an `Option` of our extractors tells an outage from an anonymous request.
    let optional = optional(&parameter.ty).filter(|_| framework == Framework::Actix);
    if let Some(inner) = optional {
        let instead = if inner == "Session" {
            "take `MaybeSession<..>`, which holds `None` only for an anonymous request"
        } else {
            "take `MaybeUser<..>`, which holds `None` only for an anonymous request"
        };
        return Err(Error::new_spanned(
            &parameter.ty,
            format!("an `Option` is `None` while the store is away, too: {instead}"),
        ));
    }
    match &*parameter.ty {
        Type::Reference(ty) if ty.lifetime.as_ref().is_none_or(|a| a.ident != "static") => {
            Err(Error::new_spanned(
                ty,
                format!(
                    "a parameter of a handler is extracted from the request and owned: \
                     take an extractor, such as `{}`, instead of a reference",
                    framework.path(),
                ),
            ))
        }
        _ => Ok(()),
    }
}

/// What an `Option` is of, if that is an extractor of ours. Under the path of another crate, it is not.
fn optional(ty: &Type) -> Option<&Ident> {
    const OURS: [&str; 3] = ["User", "MaybeUser", "Session"];

    let option = path(ty)?.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &option.arguments else {
        return None;
    };
    let GenericArgument::Type(inner) = arguments.args.first()? else {
        return None;
    };
    let inner = path(inner)?;
    let last = &inner.segments.last()?.ident;
    let bare = inner.segments.len() == 1 || inner.segments[0].ident == "lucia";
    (option.ident == "Option" && bare && OURS.iter().any(|name| last == name)).then_some(last)
}

/// The path that a type is, also when it comes from a `macro_rules!` variable.
fn path(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(ty) if ty.qself.is_none() => Some(&ty.path),
        Type::Paren(ty) => path(&ty.elem),
        Type::Group(ty) => path(&ty.elem),
        _ => None,
    }
}

/// Refuses what was found, if anything was.
fn refuse(found: Option<impl ToTokens>, message: impl Display) -> Result<()> {
    found.map_or(Ok(()), |found| Err(Error::new_spanned(found, message)))
}

/// All the mistakes at once, for two mistakes are two messages.
fn all(checks: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    let mistakes = checks.into_iter().filter_map(Result::err);
    match mistakes.reduce(|mut all, next| {
        all.combine(next);
        all
    }) {
        None => Ok(()),
        Some(mistakes) => Err(mistakes),
    }
}

#[cfg(test)]
mod tests {
    use super::optional;
    use syn::{Type, parse_quote};

    #[test]
    fn an_option_of_our_extractors_is_found_under_any_path() {
        let ours: [Type; 6] = [
            parse_quote!(Option<User>),
            parse_quote!(Option<User<Profile>>),
            parse_quote!(Option<lucia::Session<Device>>),
            parse_quote!(core::option::Option<::lucia::MaybeUser>),
            parse_quote!(::std::option::Option<(Session)>),
            parse_quote!((Option<Session>)),
        ];
        assert!(ours.iter().all(|ty| optional(ty).is_some()));
        let others: [Type; 7] = [
            parse_quote!(User<Option<Profile>>),
            parse_quote!(MaybeUser<Profile>),
            parse_quote!(Option<web::Json<User>>),
            parse_quote!(Option<actix_session::Session>),
            parse_quote!(Option<crate::accounts::User>),
            parse_quote!(Option),
            parse_quote!(Result<User<Profile>, Denied>),
        ];
        assert!(others.iter().all(|ty| optional(ty).is_none()));
    }
}
