//! What a handler cannot be. Each check points at the user's own token and says what to write instead.

use crate::args::Attribute;
use crate::framework::Framework;
use crate::item::{self, Handler};
use syn::{Error, FnArg, PatType, Result, ReturnType, Safety, Signature, Type};

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
    let constness = match &sig.constness {
        Some(token) => Err(Error::new_spanned(
            token,
            "a handler waits for the database: write `async fn` without `const`",
        )),
        None if sig.asyncness.is_none() => Err(Error::new_spanned(
            sig.fn_token,
            "a handler waits for the database: write `async fn`",
        )),
        None => Ok(()),
    };
    let safety = match &sig.safety {
        Safety::Default => Ok(()),
        token => Err(Error::new_spanned(
            token,
            "the server calls a handler, and knows of no promise to keep: remove `unsafe`, and write \
             an `unsafe` block inside",
        )),
    };
    let abi = match &sig.abi {
        Some(token) => Err(Error::new_spanned(
            token,
            "the server calls a handler as a Rust function: remove `extern`",
        )),
        None => Ok(()),
    };
    all([constness, safety, abi])
}

fn check_receiver(framework: Framework, sig: &Signature) -> Result<()> {
    match sig.receiver() {
        Some(receiver) => Err(Error::new_spanned(
            receiver,
            format!(
                "a handler is a free function: take `{}` instead of `self`",
                framework.shared(),
            ),
        )),
        None => Ok(()),
    }
}

fn check_variadic(sig: &Signature) -> Result<()> {
    match &sig.variadic {
        Some(variadic) => Err(Error::new_spanned(
            variadic,
            "each parameter of a handler is an extractor: remove `...`",
        )),
        None => Ok(()),
    }
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
    let most = framework.max_parameters();
    match parameters(sig).nth(most) {
        Some(parameter) => Err(Error::new_spanned(
            parameter,
            format!(
                "{} extracts at most {most} parameters: \
                 take some of them together as a tuple, such as `(a, b): (A, B)`",
                framework.name(),
            ),
        )),
        None => Ok(()),
    }
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

/// The name of a type that is known to read the body: under these names nobody has anything else.
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
    if let Some(cfg) = parameter
        .attrs
        .iter()
        .find(|attr| attr.path().is_ident("cfg"))
    {
        return Err(Error::new_spanned(
            cfg,
            "a parameter of a handler is always there: put `#[cfg(..)]` on one handler for each case",
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
