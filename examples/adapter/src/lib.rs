//! lucia in [poem](https://docs.rs/poem): a middleware and extractors. `docs/adapters.md` goes
//! through it.

use lucia::{Answer, Auth, AuthRequest, Error, Guard, RequestContext, RequestSlot, User};
use poem::http::StatusCode;
use poem::http::uri::Scheme;
use poem::{Endpoint, FromRequest, Middleware, Request, RequestBody, Response};
use serde::de::DeserializeOwned;

/// A request, as lucia looks at it.
struct Context<'a>(&'a Request);

impl RequestContext for Context<'_> {
    fn method(&self) -> &str {
        self.0.method().as_str()
    }

    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let values = self.0.headers().get_all(name).iter();
        values.map(|value| value.as_bytes())
    }

    fn host(&self) -> Option<&str> {
        lucia::http::host(self.0.uri(), self.0.headers())
    }

    fn is_tls(&self) -> bool {
        *self.0.scheme() == Scheme::HTTPS // of the listener that accepted the connection
    }

    fn slot(&self) -> RequestSlot {
        self.0.extensions().get().cloned().unwrap_or_default()
    }
}

/// Lets in whom `guard` lets in, and puts cookie changes on responses:
/// `app.with(Lucia { auth, guard: Guard::anyone() })`.
#[derive(Clone, Debug)]
pub struct Lucia {
    /// Who asks.
    pub auth: Auth,
    /// Who may.
    pub guard: Guard,
}

impl<E: Endpoint> Middleware<E> for Lucia {
    type Output = Guarded<E>;

    fn transform(&self, inner: E) -> Guarded<E> {
        Guarded {
            lucia: self.clone(),
            inner,
        }
    }
}

/// What [`Lucia`] keeps with a request. An application may keep its `Auth` there itself, by
/// `.data(auth)`, which says nothing of a middleware.
#[derive(Clone)]
struct Kept(Auth);

/// An endpoint behind [`Lucia`].
#[derive(Debug)]
pub struct Guarded<E> {
    lucia: Lucia,
    inner: E,
}

impl<E: Endpoint> Endpoint for Guarded<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let Lucia { auth, guard } = &self.lucia;
        lucia::http::keep_slot(request.extensions_mut());
        let auth_request = auth.handle_request(&Context(&request));
        request.extensions_mut().insert(Kept(auth.clone()));
        auth_request.adopt();
        let mut response = match guard.check(&auth_request).await {
            Ok(()) => self.inner.get_response(request).await, // errors are responses, too
            Err(denial) => {
                let target = lucia::http::target(request.method(), request.original_uri());
                respond(guard.answer(&denial, &auth_request, target))
            }
        };
        lucia::http::put_headers(response.headers_mut(), &auth_request);
        Ok(response)
    }
}

/// Who sent the request, asked when wanted.
#[derive(Debug)]
pub struct Sender(pub AuthRequest);

impl<'a> FromRequest<'a> for Sender {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        match request.extensions().get::<Kept>() {
            Some(Kept(auth)) => Ok(Self(auth.handle_request(&Context(request)))),
            None => Err(refuse(Error::Misuse("add `.with(Lucia { .. })`".into()))),
        }
    }
}

/// A user who is signed in.
#[derive(Debug)]
pub struct SignedIn<A>(pub User<A>);

impl<'a, A: DeserializeOwned + Send> FromRequest<'a> for SignedIn<A> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let Sender(sender) = Sender::from_request(request, body).await?;
        let (user, _) = sender.authenticate_user().await.map_err(refuse)?;
        Ok(Self(user))
    }
}

/// An error as poem's, for `?` in a handler: `.map_err(refuse)?`.
pub fn refuse(error: Error) -> poem::Error {
    poem::Error::from_response(respond(error.answer()))
}

fn respond(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status);
    let mut response = Response::builder()
        .status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .body(answer.body);
    for (name, value) in answer.headers {
        lucia::HeadersMut::append(response.headers_mut(), name, &value);
    }
    response
}
