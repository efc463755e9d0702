//! lucia in [poem](https://docs.rs/poem): a middleware and an extractor. `docs/adapters.md` goes
//! through it.

use lucia::http::{RequestHead, Target};
use lucia::{Auth, AuthRequest, Error, Guard, User, adapter};
use poem::http::StatusCode;
use poem::http::uri::Scheme;
use poem::web::Data;
use poem::{
    Body, Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result,
};
use serde::de::DeserializeOwned;

/// Lets in whom the [`Guard`] lets in, and puts cookie changes on responses:
/// `app.with(Lucia(auth, Guard::anyone()))`. Handlers behind it ask who sent a request by
/// [`SignedIn`], or by a parameter `Data(auth_request): Data<&AuthRequest>`.
#[derive(Clone, Debug)]
pub struct Lucia(pub Auth, pub Guard);

impl<E: Endpoint> Middleware<E> for Lucia {
    type Output = Guarded<E>;

    fn transform(&self, inner: E) -> Guarded<E> {
        Guarded(self.clone(), inner)
    }
}

/// An endpoint behind [`Lucia`].
#[derive(Debug)]
pub struct Guarded<E>(Lucia, E);

impl<E: Endpoint> Endpoint for Guarded<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let Self(Lucia(auth, guard), inner) = self;
        lucia::http::keep_slot(request.extensions_mut());
        let target = Target::new(request.method(), request.original_uri(), request.headers());
        let auth_request = auth.handle_request(&head(&request));
        adapter::adopt(&auth_request);
        request.set_data(auth_request.clone());
        let response = match guard.check(&auth_request).await {
            Ok(()) => {
                let response = match inner.call(request).await {
                    Ok(output) => to_http(output.into_response()),
                    Err(error) => match error.downcast::<Error>() {
                        Ok(error) => lucia::http::response(error),
                        Err(other) => to_http(other.into_response()),
                    },
                };
                adapter::finish(response, &auth_request, &target).await
            }
            Err(denial) => {
                let response = lucia::http::response(denial);
                adapter::deny(response, guard, &auth_request, &target).await
            }
        };
        Ok(from_http(response))
    }
}

/// A request, as lucia looks at it.
fn head(request: &Request) -> RequestHead<'_> {
    let (uri, headers) = (request.uri(), request.headers());
    RequestHead::new(request.method(), uri, headers, request.extensions())
        .over_tls(*request.scheme() == Scheme::HTTPS) // of the listener that accepted the connection
        .peer_address(request.remote_addr().as_socket_addr().map(|peer| peer.ip()))
}

/// A user who is signed in.
#[derive(Debug)]
pub struct SignedIn<A>(pub User<A>);

impl<'a, A: DeserializeOwned + Send> FromRequest<'a> for SignedIn<A> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> Result<Self> {
        let sender = Data::<&AuthRequest>::from_request(request, body).await?;
        let (user, _) = sender.require_user().await.map_err(refuse)?;
        Ok(Self(user))
    }
}

/// An error as poem's, for `?` in a handler: `.map_err(refuse)?`.
pub fn refuse(error: Error) -> poem::Error {
    let status = StatusCode::from_u16(error.status());
    poem::Error::new(error, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}

fn to_http(response: Response) -> poem::http::Response<Body> {
    let (head, body) = response.into_parts();
    let mut response = poem::http::Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    *response.extensions_mut() = head.extensions;
    response
}

fn from_http(response: poem::http::Response<Body>) -> Response {
    let (head, body) = response.into_parts();
    let mut response = (head.status, head.headers, body).into_response();
    *response.extensions_mut() = head.extensions;
    response
}
