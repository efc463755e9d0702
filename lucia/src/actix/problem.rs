//! [`problem_details`]: actix-web's own errors in the form of lucia's.

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::middleware::ErrorHandlerResponse;

use crate::adapter::{self, LONGEST_DETAIL, Response, is_bare_error, problem_of_response};

/// Gives error responses in plain text, or without a body, a body of problem details (RFC 9457): a form that
/// cannot be read, a path that does not exist. It is a handler for
/// [`ErrorHandlers`](actix_web::middleware::ErrorHandlers).
///
/// The text becomes the `detail`, and the name of the status the `code`, such as `not_found`. Status and other
/// headers stay, and so do bodies of any other type, such as your own pages, and bodies of more than 64 KiB. An error
/// of lucia that still has its default look gets the body of
/// [`DenialBody::problem`](crate::DenialBody::problem).
///
/// ```no_run
/// use actix_web::middleware::ErrorHandlers;
/// use actix_web::{App, web};
/// use lucia::actix::problem_details;
/// use lucia::{Auth, DenialBody, SqliteStore};
///
/// # async fn build() -> lucia::Result<()> {
/// let store = SqliteStore::open("app.db").await?;
/// let auth = Auth::builder(store).denials(DenialBody::problem).build()?;
/// let app = App::new()
///     .app_data(web::Data::new(auth))
///     .wrap(ErrorHandlers::new().default_handler(problem_details));
/// # let _ = app; Ok(()) }
/// ```
///
/// # Errors
///
/// Those of a body that cannot be read.
pub fn problem_details<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
) -> actix_web::Result<ErrorHandlerResponse<B>> {
    let mut response = response.map_into_left_body();
    let is_short = match response.response().body().size() {
        BodySize::None => true,
        BodySize::Sized(length) => length <= LONGEST_DETAIL as u64,
        BodySize::Stream => false,
    };
    if !is_short || !is_bare_error(&mut response) {
        return Ok(ErrorHandlerResponse::Response(response));
    }
    Ok(ErrorHandlerResponse::Future(Box::pin(async move {
        let (request, response) = response.into_parts();
        let (response, body) = response.into_parts();
        let text = to_bytes(body).await.map_err(Into::<Error>::into)?;
        let status = response.status();
        let response = ServiceResponse::new(request, response);
        let response = response.map_body(|_, ()| EitherBody::right(BoxBody::new(())));
        let content = problem_of_response(
            Response::error(&response),
            (status.as_u16(), status.canonical_reason()),
            &String::from_utf8_lossy(&text),
        );
        Ok(match content {
            Some(content) => adapter::put_content(response, content),
            None => response,
        })
    })))
}
