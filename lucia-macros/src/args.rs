//! What stands in the parentheses of the attribute.

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Ident, Lit, LitStr, Result, Token};

/// Which of the two attributes was written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Attribute {
    AuthRequest,
    Authenticated,
}

/// Who reaches the body of the handler.
#[derive(Clone)]
pub(crate) enum Guard {
    Anyone,
    Authenticated,
    AuthenticatedOrRedirect(LitStr),
}

/// The options of `#[authenticated]`, for the messages.
const OPTIONS: &str = "`#[authenticated]` knows `redirect = \"/login\"`";

impl Attribute {
    /// The attribute that a path ending in `name` names.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "auth_request" => Some(Attribute::AuthRequest),
            "authenticated" => Some(Attribute::Authenticated),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Attribute::AuthRequest => "auth_request",
            Attribute::Authenticated => "authenticated",
        }
    }

    /// The guard of the attribute without options; also what stands in for options that are wrong, so
    /// that a mistake in them leaves the handler as it is.
    pub(crate) fn guard(self) -> Guard {
        match self {
            Attribute::AuthRequest => Guard::Anyone,
            Attribute::Authenticated => Guard::Authenticated,
        }
    }

    /// Reads the options.
    pub(crate) fn parse_guard(self, args: TokenStream) -> Result<Guard> {
        match self {
            Attribute::AuthRequest => no_options.parse2(args)?,
            Attribute::Authenticated => {
                let options = Options::parse.parse2(args)?;
                if let Some(path) = options.redirect {
                    return Ok(Guard::AuthenticatedOrRedirect(path));
                }
            }
        }
        Ok(self.guard())
    }
}

fn no_options(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    let rest: TokenStream = input.parse()?;
    Err(Error::new_spanned(
        rest,
        "`#[auth_request]` takes no options: write `#[auth_request]` alone, \
         or `#[authenticated(..)]` to let only signed-in users in",
    ))
}

#[derive(Default)]
struct Options {
    redirect: Option<LitStr>,
}

impl Options {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut options = Options::default();
        while !input.is_empty() {
            if !input.peek(Ident::peek_any) {
                return Err(input.error(format!("expected the name of an option: {OPTIONS}")));
            }
            let name = input.call(Ident::parse_any)?;
            match name.to_string().as_str() {
                "redirect" => set(&mut options.redirect, &name, redirect(&name, input)?)?,
                unknown => {
                    return Err(Error::new(
                        name.span(),
                        format!("unknown option `{unknown}`: {OPTIONS}"),
                    ));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

fn set<T>(option: &mut Option<T>, name: &Ident, value: T) -> Result<()> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::new(
            name.span(),
            format!("`{name}` is given twice: keep one of them"),
        )),
    }
}

/// `= "/path"`, after the word `redirect`.
fn redirect(name: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    const USAGE: &str = "write the path of the login page as a string: `redirect = \"/login\"`";

    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), USAGE));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() {
        return Err(Error::new(name.span(), USAGE));
    }
    let value: Expr = input.parse()?;
    match literal(&value) {
        Some(Lit::Str(path)) => {
            check_redirect(path)?;
            Ok(path.clone())
        }
        _ => Err(Error::new_spanned(value, USAGE)),
    }
}

/// The literal that an expression is, also when it comes from a `macro_rules!` variable.
fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(value) => Some(&value.lit),
        Expr::Group(value) => literal(&value.expr),
        _ => None,
    }
}

/// A redirect can only lead to a page of this site: what a browser might read as another host, or what
/// cannot stand in a `Location`, is refused here rather than at the first denied request.
fn check_redirect(literal: &LitStr) -> Result<()> {
    let path = literal.value();
    let complaint = if path.contains('\\') {
        "browsers read `\\` as `/`: write a path with `/` only, such as `\"/login\"`"
    } else if path.starts_with("//") {
        "`//` begins the name of another host: begin the path with one `/`, such as `\"/login\"`"
    } else if !path.starts_with('/') {
        "a redirect leads to a page of this site: begin its path with `/`, such as `\"/login\"`"
    } else if path.contains('#') {
        "the `next=` that is added to a redirect would land in the fragment: remove `#` and what \
         follows it"
    } else if !path.chars().all(|c| c.is_ascii_graphic()) {
        "a redirect stands in a header: write spaces, control characters and letters outside ASCII \
         percent-encoded, such as `%20`"
    } else {
        return Ok(());
    };
    Err(Error::new(literal.span(), complaint))
}

#[cfg(test)]
mod tests {
    use super::{Attribute, Guard};
    use quote::quote;

    fn redirect(path: &str) -> Result<String, String> {
        let args = quote!(redirect = #path);
        match Attribute::Authenticated.parse_guard(args) {
            Ok(Guard::AuthenticatedOrRedirect(path)) => Ok(path.value()),
            Ok(_) => panic!("the redirect got lost"),
            Err(mistake) => Err(mistake.to_string()),
        }
    }

    #[test]
    fn a_redirect_is_a_path_of_this_site() {
        for path in ["/", "/login", "/login?why=private", "/a//b", "/caf%C3%A9"] {
            assert_eq!(redirect(path), Ok(path.to_owned()));
        }
    }

    #[test]
    fn a_redirect_that_may_lead_elsewhere_is_refused() {
        for path in [
            "",
            "login",
            "//host",
            "///",
            "/\\host",
            "\\",
            "/a\\b",
            "https://host",
            " /login",
            "/login#a",
            "/a b",
            "/a\tb",
            "/a\r\nb",
            "/a\0",
            "/\u{7f}",
            "/é",
            "/\u{202e}",
        ] {
            assert!(redirect(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn no_options_are_needed() {
        for args in [quote!(), quote!(redirect = "/login",)] {
            assert!(Attribute::Authenticated.parse_guard(args).is_ok());
        }
        assert!(matches!(
            Attribute::AuthRequest.parse_guard(quote!()),
            Ok(Guard::Anyone),
        ));
    }

    #[test]
    fn options_that_are_wrong_are_refused() {
        for args in [
            quote!(redirect),
            quote!(redirect =),
            quote!(redirect("/login")),
            quote!(redirect = b"/login"),
            quote!(redirect = concat!("/", "login")),
            quote!(redirect = "/a", redirect = "/a"),
            quote!(redirect = "/a" redirect = "/b"),
            quote!(,),
            quote!(admin),
            quote!("/login"),
        ] {
            let text = args.to_string();
            assert!(
                Attribute::Authenticated.parse_guard(args).is_err(),
                "{text}"
            );
        }
        assert!(
            Attribute::AuthRequest
                .parse_guard(quote!(redirect = "/a"))
                .is_err()
        );
    }
}
