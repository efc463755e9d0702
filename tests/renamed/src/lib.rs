//! Handlers of a crate that has lucia under another name: `crate = ..` tells the attributes. Here it is
//! enough that they compile.

/// What a crate of an application would re-export.
pub mod prelude {
    pub use auth as lucia;
}

/// Handlers of actix-web.
pub mod actix {
    use auth::{AuthRequest, Result, Session, User, auth_request, authenticated};

    fn is_own(user: User, session: Session) -> bool {
        user.id == session.user_id
    }

    /// By the name of the dependency.
    #[authenticated(crate = auth, permit = is_own)]
    pub async fn by_name(user: User) -> String {
        user.id.to_string()
    }

    /// As a string, as serde writes it.
    #[auth_request(crate = "auth")]
    pub async fn by_string() -> Result<String> {
        let session = auth_request.validate().await?;
        Ok(session.is_some().to_string())
    }

    /// By what another module re-exports.
    #[authenticated(bearer, cookie, crate = crate::prelude::lucia)]
    pub async fn by_path(request: AuthRequest) -> Result<String> {
        request.sign_out().await?;
        Ok(String::new())
    }
}

/// Handlers of axum.
pub mod axum {
    use auth::axum::{auth_request, authenticated};
    use auth::{Result, User};

    fn is_named(user: User) -> bool {
        user.id.as_str() != ""
    }

    /// By the name of the dependency.
    #[authenticated(crate = auth, permit = is_named)]
    pub async fn by_name(user: User) -> String {
        user.id.to_string()
    }

    /// By what another module re-exports.
    #[auth_request(crate = crate::prelude::lucia)]
    pub async fn by_path() -> Result<String> {
        let session = auth_request.validate().await?;
        Ok(session.is_some().to_string())
    }
}

/// That they are handlers.
pub fn routes(config: &mut actix_web::web::ServiceConfig) {
    use actix_web::web;

    config
        .route("/by-name", web::get().to(actix::by_name))
        .route("/by-string", web::get().to(actix::by_string))
        .route("/by-path", web::get().to(actix::by_path));
}

/// The same, in axum.
pub fn router() -> ::axum::Router {
    use ::axum::routing::get;

    ::axum::Router::new()
        .route("/by-name", get(axum::by_name))
        .route("/by-path", get(axum::by_path))
}
