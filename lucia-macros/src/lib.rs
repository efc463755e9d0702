//! The attributes of `lucia`. Depend on `lucia`, which re-exports them, and not on this crate. `lucia` also
//! has the examples that run, because this crate has nothing that they could use.

mod args;
mod check;
mod crate_path;
mod expand;
mod fallback;
mod framework;
mod item;

use crate::args::Attribute;
use crate::framework::Framework;
use proc_macro::TokenStream;

/// Gives a handler of actix-web the [`AuthRequest`] of its request, and puts its cookie changes on whatever
/// response the handler returns.
///
/// In the body of the handler it is `auth_request`, unless a parameter of the handler has that name. Any
/// request can reach this handler.
///
/// ```text
/// #[post("/login")]
/// #[auth_request]
/// async fn login(form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
///     auth_request.sign_in(Password::new(("username", &form.username), &form.password)).await?;
///     Ok(HttpResponse::NoContent())
/// }
/// ```
///
/// Put it above or below `#[get]` and the like, or on functions for `web::get().to(..)`. Other attributes
/// below it, such as `#[tracing::instrument]`, see the function as you wrote it, with `auth_request` as its
/// first parameter if you wrote none. Docs, `cfg`, `deprecated`, `must_use`, lint levels and routes are
/// moved to the handler that actix-web calls.
///
/// # What registers the function stands above
///
/// Put an attribute that creates other items from the function, or registers it by itself, **above** this
/// one: for example `#[utoipa::path]`, and routes that collect themselves. There it sees the handler, with
/// its guard. Below, it would see the function inside the handler: items that it creates could not be named
/// from outside, and a function that it registers would be reachable without the guard. To prevent this,
/// the inner function takes a parameter that only the handler has, so a registration from below does not
/// compile:
///
/// ```text
/// #[auto_route("/admin")]                  // sees the handler
/// #[authenticated]
/// #[instrument(skip_all)]                  // sees the function inside
/// async fn admin() -> impl Responder { .. }
/// ```
///
/// # What a handler can be
///
/// The function is `async`, takes no `self`, returns any `Responder` and has at most 16 parameters. They
/// are extracted in declaration order, and the first one that fails determines the response. A parameter
/// `impl Trait` becomes the last type parameter of the handler: register it as
/// `web::post().to(handler::<web::Json<Edit>>)`.
///
/// The function may be an associated function, registered as `web::get().to(Api::me)`, and use `Self`. If
/// it uses a type parameter of its `impl` but not `Self`, the compiler reports an error (E0401): name the
/// type by `Self`, as in `Self::load(..)`.
///
/// [`AuthRequest`]: https://docs.rs/lucia/latest/lucia/struct.AuthRequest.html
#[proc_macro_attribute]
pub fn auth_request(args: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Framework::Actix, Attribute::AuthRequest, args, item)
}

/// Admits only requests with a valid session to an actix-web handler.
///
/// The handler has everything that `#[auth_request]` gives, and its parameters `User<A>` and `Session` come
/// from the one query that decided. Other requests are answered before their body is read:
///
/// | request | response |
/// |---|---|
/// | unauthenticated | 401 |
/// | unsafe, from another origin | 403 |
/// | with a token, while the store is unavailable | 503 |
///
/// ```text
/// #[get("/me")]
/// #[authenticated]
/// async fn me(user: User<Profile>) -> impl Responder {
///     format!("Hello, {}!", user.username)
/// }
/// ```
///
/// For pages, `#[authenticated(redirect = "/login")]` redirects an unauthenticated request to the login
/// page (303), with the requested page as `next=`: read it as a `lucia::LocalPath`. The path is a string
/// literal that begins with one `/`. It is checked at compile time, so that a redirect cannot lead to
/// another site.
///
/// # Options
///
/// | option | admits |
/// |---|---|
/// | `redirect = "/login"` | signed-in users; others are redirected to the login page |
/// | `permit = rules::is_admin` | requests that the function permits; others get 403 |
/// | `recent = "10m"` | users who authenticated within this time; the units are `s`, `m`, `h` and `d` |
/// | `bearer` | requests with a session token in `Authorization: Bearer`; cookies are ignored |
/// | `cookie, bearer` | requests with either; a bearer token takes precedence, and its request is not redirected |
///
/// Without `bearer` and `cookie`, the handler accepts what the guard of its scope accepts, and the session
/// cookie if there is no such guard.
///
/// `permit` names a function that takes `User<A>`, `Session<A>` and any extractor that does not read the
/// body, up to four in all. It may be `async` and may fail; an error is answered with 503:
///
/// ```text
/// fn is_admin(user: User<Profile>) -> bool { .. }
/// async fn may_enter(user: User<Profile>, session: Session<Device>) -> Result<bool, RuleError> { .. }
/// ```
///
/// # Where to put it
///
/// It replaces `#[auth_request]` and can be in the same places. Put attributes that create other items from
/// the function or register it, such as `#[utoipa::path]`, **above** it. Below, they would see the function
/// behind the guard instead of the handler, which does not compile. [More][registers].
///
/// [registers]: macro@auth_request#what-registers-the-function-stands-above
#[proc_macro_attribute]
pub fn authenticated(args: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Framework::Actix, Attribute::Authenticated, args, item)
}

/// Gives a handler of axum the [`AuthRequest`] of its request, and puts its cookie changes on whatever
/// response the handler returns.
///
/// In the body of the handler it is `auth_request`, unless a parameter of the handler has that name. Any
/// request can reach this handler.
///
/// ```text
/// use lucia::axum::auth_request;
///
/// #[auth_request]
/// async fn login(Form(form): Form<Credentials>) -> lucia::Result<impl IntoResponse> {
///     auth_request.sign_in(Password::new(("username", &form.username), &form.password)).await?;
///     Ok(StatusCode::NO_CONTENT)
/// }
/// ```
///
/// The router needs the layer of [`Auth`], `.layer(auth.layer())`.
///
/// The function is `async`, takes no `self`, returns anything that implements `IntoResponse` and has at
/// most 16 parameters. They are extracted in declaration order, and the first one that fails determines the
/// response. Only the last one may read the body. A parameter `impl Trait` becomes the last type parameter
/// of the handler: register it as `post(handler::<Json<Edit>>)`. The function may be an associated
/// function, registered as `get(Api::me)`, and use `Self`. If it uses a type parameter of its `impl` but
/// not `Self`, the compiler reports an error (E0401): name the type by `Self`, as in `Self::load(..)`.
///
/// Attributes below it, such as `#[tracing::instrument]`, see the function as you wrote it, with
/// `auth_request` as its first parameter if you wrote none. Docs, `cfg`, `deprecated`, `must_use` and lint
/// levels are moved to the handler that axum calls. Put `#[axum::debug_handler]` **below** it: there it
/// names the parameter that is not an extractor.
///
/// [`Auth`]: https://docs.rs/lucia/latest/lucia/struct.Auth.html
/// [`AuthRequest`]: https://docs.rs/lucia/latest/lucia/struct.AuthRequest.html
#[proc_macro_attribute]
pub fn axum_auth_request(args: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Framework::Axum, Attribute::AuthRequest, args, item)
}

/// Admits only requests with a valid session to an axum handler.
///
/// The handler has everything that `#[auth_request]` gives, and its parameters `User<A>` and `Session` come
/// from the one query that decided. Other requests are answered before any parameter is extracted:
///
/// | request | response |
/// |---|---|
/// | unauthenticated | 401 |
/// | unsafe, from another origin | 403 |
/// | with a token, while the store is unavailable | 503 |
///
/// ```text
/// use lucia::axum::authenticated;
///
/// #[authenticated]
/// async fn me(user: User<Profile>) -> impl IntoResponse {
///     format!("Hello, {}!", user.username)
/// }
/// ```
///
/// The options are those of the attribute for actix-web: `redirect = "/login"` for pages,
/// `permit = function`, `recent = "10m"`, `bearer` and `cookie`.
///
/// It replaces `#[auth_request]` and can be in the same places.
#[proc_macro_attribute]
pub fn axum_authenticated(args: TokenStream, item: TokenStream) -> TokenStream {
    attribute(Framework::Axum, Attribute::Authenticated, args, item)
}

fn attribute(
    framework: Framework,
    attribute: Attribute,
    args: TokenStream,
    item: TokenStream,
) -> TokenStream {
    expand::attribute(framework, attribute, args.into(), item.into()).into()
}
