use actix_web::test::TestRequest;

use super::LoggedIn;

/// Adds [`login_as`](Self::login_as) to actix-web's [`TestRequest`].
pub trait TestRequestExt {
    /// Sends the request as a signed-in user: with the session cookie, and from a page of the site itself.
    ///
    /// Add further cookies with `.append_header(("Cookie", "theme=dark"))`.
    /// [`TestRequest::cookie`](https://docs.rs/actix-web/4/actix_web/test/struct.TestRequest.html#method.cookie)
    /// would replace the session cookie.
    #[must_use]
    fn login_as(self, logged_in: &LoggedIn) -> Self;
}

impl TestRequestExt for TestRequest {
    fn login_as(self, logged_in: &LoggedIn) -> Self {
        let [cookie, origin] = logged_in.headers();
        self.append_header(cookie).insert_header(origin)
    }
}
