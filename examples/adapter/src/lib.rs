//! lucia in [poem](https://docs.rs/poem): a middleware and an extractor. `docs/adapters.md` goes
//! through it.

use lucia::http::RequestHead;
use lucia::{Answer, Auth, AuthRequest, Error, Guard, User};
use poem::http::uri::Scheme;
use poem::web::Data;
use poem::{
    Endpoint, FromRequest, IntoResponse, Middleware, Request, RequestBody, Response, Result,
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
        let auth_request = auth.handle_request(&head(&request));
        auth_request.adopt();
        request.set_data(auth_request.clone());
        let mut response = match guard.check(&auth_request).await {
            Ok(()) => inner.get_response(request).await, // an error is a response, too
            Err(denial) => {
                let target = lucia::http::target(request.method(), request.original_uri());
                respond(guard.answer(&denial, &auth_request, target))
            }
        };
        lucia::http::put_headers(response.headers_mut(), &auth_request).await;
        Ok(response)
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
    poem::Error::from_response(respond(error.answer()))
}

fn respond(answer: Answer) -> Response {
    let (head, body) = lucia::http::response(answer).into_parts();
    (head.status, head.headers, body).into_response()
}
