//! What stands in the parentheses of the attribute.

use crate::crate_path::Lucia;
use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Ident, Lit, LitStr, Path, Result, Token};

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
    Authenticated(Options),
}

/// The options of `#[authenticated]`.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) cookie: Option<Ident>,
    pub(crate) bearer: Option<Ident>,
    pub(crate) redirect: Option<LitStr>,
    /// In seconds.
    pub(crate) recent: Option<u64>,
    pub(crate) permit: Option<Path>,
}

/// What stands in the parentheses.
#[derive(Clone)]
pub(crate) struct Args {
    pub(crate) guard: Guard,
    pub(crate) lucia: Lucia,
}

/// All options, for the messages.
const OPTIONS: &str = "`#[authenticated]` knows `redirect = \"/login\"`, `permit = function`, \
                       `recent = \"10m\"`, `bearer`, `cookie` and `crate = path`";

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

    /// The attribute without options; also what stands in for options that are wrong, so that a
    /// mistake in them leaves the handler as it is.
    pub(crate) fn args(self) -> Args {
        let guard = match self {
            Attribute::AuthRequest => Guard::Anyone,
            Attribute::Authenticated => Guard::Authenticated(Options::default()),
        };
        let lucia = Lucia::DEFAULT;
        Args { guard, lucia }
    }

    /// Reads the options.
    pub(crate) fn parse_args(self, args: TokenStream) -> Result<Args> {
        match self {
            Attribute::AuthRequest => crate_alone.parse2(args),
            Attribute::Authenticated => Options::parse.parse2(args),
        }
    }
}

fn crate_alone(input: ParseStream<'_>) -> Result<Args> {
    let mut args = Attribute::AuthRequest.args();
    if input.is_empty() {
        return Ok(args);
    }
    if input.peek(Token![crate]) {
        let name = input.call(Ident::parse_any)?;
        args.lucia = Lucia(Some(krate(&name, input)?));
        input.parse::<Option<Token![,]>>()?;
        if input.is_empty() {
            return Ok(args);
        }
    }
    let rest: TokenStream = input.parse()?;
    Err(Error::new_spanned(
        rest,
        "`#[auth_request]` takes no options but `crate = path`: write `#[auth_request]` alone, \
         or `#[authenticated(..)]` to let only signed-in users in",
    ))
}

impl Options {
    fn parse(input: ParseStream<'_>) -> Result<Args> {
        let mut options = Options::default();
        let mut lucia = None;
        while !input.is_empty() {
            if !input.peek(Ident::peek_any) {
                return Err(input.error(format!("expected the name of an option: {OPTIONS}")));
            }
            let name = input.call(Ident::parse_any)?;
            match name.to_string().as_str() {
                "cookie" => set(&mut options.cookie, &name, word(&name, input)?)?,
                "bearer" => set(&mut options.bearer, &name, word(&name, input)?)?,
                "redirect" => set(&mut options.redirect, &name, redirect(&name, input)?)?,
                "recent" => set(&mut options.recent, &name, recent(&name, input)?)?,
                "permit" => set(&mut options.permit, &name, permit(&name, input)?)?,
                "crate" => set(&mut lucia, &name, krate(&name, input)?)?,
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
        Ok(Args {
            guard: Guard::Authenticated(options.check()?),
            lucia: Lucia(lucia),
        })
    }

    fn check(self) -> Result<Self> {
        match (&self.bearer, &self.cookie, &self.redirect) {
            (Some(bearer), None, Some(_)) => Err(Error::new(
                bearer.span(),
                "a client with a bearer token has no login page: remove `redirect` or `bearer`, or \
                 accept both by `cookie, bearer`",
            )),
            _ => Ok(self),
        }
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

/// Nothing, after the word `cookie` or `bearer`.
fn word(name: &Ident, input: ParseStream<'_>) -> Result<Ident> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(name.clone());
    }
    Err(Error::new(
        name.span(),
        format!("`{name}` takes no value: write `{name}` alone"),
    ))
}

/// `= "/path"`, after the word `redirect`.
fn redirect(name: &Ident, input: ParseStream<'_>) -> Result<LitStr> {
    const USAGE: &str = "write the path of the login page as a string: `redirect = \"/login\"`";

    let value: Expr = value(name, input, USAGE)?;
    match literal(&value) {
        Some(Lit::Str(path)) => {
            check_redirect(path)?;
            Ok(path.clone())
        }
        _ => Err(Error::new_spanned(value, USAGE)),
    }
}

/// `= "10m"`, after the word `recent`, in seconds.
fn recent(name: &Ident, input: ParseStream<'_>) -> Result<u64> {
    const USAGE: &str = "write how long ago a sign-in may be as a whole number of seconds, minutes, \
                         hours or days: `recent = \"30s\"`, `\"10m\"`, `\"2h\"` or `\"1d\"`";

    let value: Expr = value(name, input, USAGE)?;
    let seconds = match literal(&value) {
        Some(Lit::Str(text)) => seconds(&text.value()),
        _ => None,
    };
    seconds.ok_or_else(|| Error::new_spanned(value, USAGE))
}

/// `10m` in seconds: more than none, and less than a hundred years.
fn seconds(text: &str) -> Option<u64> {
    const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];
    const LONGEST: u64 = 100 * 365 * 24 * 60 * 60;

    let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let number = text.strip_suffix(unit)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number
        .checked_mul(seconds)
        .filter(|seconds| (1..LONGEST).contains(seconds))
}

/// `= path::to::function`, after the word `permit`.
fn permit(name: &Ident, input: ParseStream<'_>) -> Result<Path> {
    const USAGE: &str = "write the path of a function: `permit = is_admin`, where \
                         `fn is_admin(user: User<Profile>) -> bool`";

    let value: Expr = value(name, input, USAGE)?;
    match path(&value) {
        Some(path) => Ok(path.clone()),
        None => Err(Error::new_spanned(value, USAGE)),
    }
}

/// `= path` or `= "path"`, after the word `crate`.
fn krate(name: &Ident, input: ParseStream<'_>) -> Result<Path> {
    const USAGE: &str = "write the path of the crate `lucia`: `crate = my_auth::lucia` or \
                         `crate = \"my_auth::lucia\"`";

    let value: Expr = value(name, input, USAGE)?;
    let found = match literal(&value) {
        Some(Lit::Str(text)) => text.parse_with(Path::parse_mod_style).ok(),
        _ => path(&value).cloned(),
    };
    found.ok_or_else(|| Error::new_spanned(value, USAGE))
}

/// `= value`, after the name of an option.
fn value(name: &Ident, input: ParseStream<'_>, usage: &str) -> Result<Expr> {
    if !input.peek(Token![=]) {
        return Err(Error::new(name.span(), usage));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() {
        return Err(Error::new(name.span(), usage));
    }
    input.parse()
}

/// The path that an expression is, also when it comes from a `macro_rules!` variable.
fn path(value: &Expr) -> Option<&Path> {
    match value {
        Expr::Path(value) if value.qself.is_none() => Some(&value.path),
        Expr::Group(value) => path(&value.expr),
        _ => None,
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
mod tests;
