//! The attributes of `lucia`.

mod args;
mod check;
mod expand;
mod fallback;
mod item;

use crate::args::Attribute;
use proc_macro::TokenStream;

/// Gives a handler of actix-web the [`AuthRequest`] of its request, and puts the changes of its
/// cookie on whatever the handler returns.
///
/// The body of the handler has it as `auth_request`, unless the handler has a parameter of that
/// type, under any name. Everybody may call such a handler.
///
/// ```text
/// #[post("/login")]
/// #[auth_request]
/// async fn login(auth: web::Data<Auth>, form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
///     let key = auth.use_key("username", &form.username, Some(&form.password)).await?;
///     let session = auth.create_session(&key.user_id).await?;
///     auth_request.set_session(Some(&session));
///     Ok(HttpResponse::NoContent())
/// }
/// ```
///
/// It stands above or below `#[get]` and its kin, and on functions for `web::get().to(..)`. Other
/// attributes below it, such as `#[tracing::instrument]`, see the function as you wrote it.
///
/// [`AuthRequest`]: https://docs.rs/lucia/latest/lucia/struct.AuthRequest.html
#[proc_macro_attribute]
pub fn auth_request(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::AuthRequest, args.into(), item.into()).into()
}

/// Lets only those requests reach a handler of actix-web that carry a living session.
///
/// The handler has all that `#[auth_request]` gives, and its parameters `User<A>` and `Session`
/// come from the one query that decided. Others are answered with their body unread:
///
/// | who asks | the answer |
/// |---|---|
/// | somebody who is not signed in | 401, and a dead cookie is removed |
/// | an unsafe request from another origin | 403 |
/// | anybody while the store is away | 503 |
///
/// ```text
/// #[get("/me")]
/// #[authenticated]
/// async fn me(user: User<Profile>) -> impl Responder {
///     format!("Hello, {}!", user.username)
/// }
/// ```
///
/// For pages, `#[authenticated(redirect = "/login")]` sends who is not signed in to the login page
/// (303), with the page they asked for as `next=`: read it as a `lucia::LocalPath`.
///
/// It stands where `#[auth_request]` may stand.
#[proc_macro_attribute]
pub fn authenticated(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Authenticated, args.into(), item.into()).into()
}
