//! The attributes of [`lucia`](https://docs.rs/lucia), which re-exports them: depend on that crate, not on
//! this one. Examples that run are there, too, for here there is nothing yet that they could use.

mod args;
mod check;
mod expand;
mod fallback;
mod item;

use crate::args::Attribute;
use proc_macro::TokenStream;

/// Gives a handler of actix-web the binding `auth_request`, whoever sends the request.
///
/// ```text
/// #[post("/login")]
/// #[auth_request]
/// async fn login(auth: web::Data<Auth>, form: web::Form<Login>) -> lucia::Result<impl Responder> {
///     let key = auth.use_key("username", &form.username, Some(&form.password)).await?;
///     let session = auth.create_session(&key.user_id).await?;
///     auth_request.set_session(Some(&session));
///     Ok(HttpResponse::NoContent())
/// }
/// ```
///
/// # What the handler gets
///
/// `auth_request`, of the type `AuthRequest`, in its body. If the signature already has a parameter of that
/// type, under whatever name, or one that is called `auth_request`, then that one is used and nothing is
/// added.
///
/// Cookie changes made through it reach the client on whatever the handler returns: on `Ok`, on `Err`, and
/// when a parameter cannot be extracted. Parameters are extracted one after another, in the order in which
/// they are declared; the first that cannot be answers.
///
/// # Where it stands
///
/// Above or below `#[get]`, `#[post]`, `#[route]`, `#[routes]` and the others, or on a function that is
/// registered with `web::get().to(..)`. The function is an `async fn` without `self`, returns any
/// `Responder` and has at most 16 parameters of its own. It may be generic, have `where` clauses, patterns,
/// `mut`, and `impl Trait`; an `impl Trait` parameter becomes the last type parameter of the handler, for
/// the route has to say what it is.
///
/// Of the attributes below this one, docs, `cfg`, `deprecated`, `must_use`, lint levels and routes go to the
/// handler that actix-web calls. All others, such as `tracing::instrument`, go to the function as it was
/// written; what they record includes `auth_request`.
///
/// The attribute takes no options. To let only signed-in users in, write
/// [`#[authenticated]`](macro@authenticated) instead.
#[proc_macro_attribute]
pub fn auth_request(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::AuthRequest, args.into(), item.into()).into()
}

/// Lets only requests with a valid session reach a handler of actix-web.
///
/// ```text
/// #[get("/me")]
/// #[authenticated]
/// async fn me(user: User<Profile>) -> impl Responder {
///     format!("Hello, {}!", user.username)
/// }
/// ```
///
/// The decision is made before anything else of the request is looked at: the body of a denied request is
/// not read, and none of the handler's parameters is extracted.
///
/// # What the handler gets
///
/// The same as with [`#[auth_request]`](macro@auth_request), the binding `auth_request` included. Parameters
/// of the types `User<A>` and `Session` are filled from the lookup that decided, and ask the database for
/// nothing more.
///
/// # What others get
///
/// | Request | Response |
/// |---|---|
/// | without a valid session | 401; a cookie of a session that is no more is removed |
/// | with an unsafe method, from another origin | 403 |
/// | while the store cannot be asked | 503; no cookie is touched |
///
/// # Options
///
/// ```text
/// #[authenticated(redirect = "/login")]
/// ```
///
/// For pages: instead of 401, a request without a valid session gets 303 to this path, with the page that it
/// was for in `next=`. The path is a string literal that begins with one `/`. It is checked at compile time,
/// so that a redirect cannot lead to another site.
///
/// # Where it stands
///
/// Where [`#[auth_request]`](macro@auth_request) does, and in its place: one of the two is enough.
#[proc_macro_attribute]
pub fn authenticated(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Authenticated, args.into(), item.into()).into()
}
