//! Whether a middleware stands around the `App` itself.
//!
//! actix-web has no way to ask. There, all application data that a request has is of the middleware's
//! own level; further in, it can be of a level around it.

use std::any::type_name;
use std::cell::Cell;

use actix_web::dev::{ServiceFactory, ServiceRequest};
use actix_web::{App, HttpRequest, Scope, web};

/// What is known of the level of a middleware.
#[derive(Debug)]
pub(super) struct Level {
    /// `None` where the type does not tell, and for resources.
    is_app_by_type: Option<bool>,
    was_asked: Cell<bool>,
}

impl Level {
    /// The level of a middleware around an `S`.
    ///
    /// The names of types are compared, since the service that routes the requests of the level is
    /// the innermost type of `S`, in whatever middleware there is between. Middleware by `from_fn`
    /// boxes what it is wrapped around, and no type tells then.
    pub(super) fn around<S>() -> Self {
        let has = |name| type_name::<S>().contains(name);
        let is_app = has(of_app(App::new));
        let is_scope = has(of_scope(|| web::scope("")));
        Self {
            is_app_by_type: (is_app || is_scope).then_some(is_app),
            was_asked: Cell::new(false),
        }
    }

    /// Notes that the middleware was asked whether it is ready. A server asks the `App`, and the
    /// `App` asks no scope or resource.
    pub(super) fn asked(&self) {
        self.was_asked.set(true);
    }

    /// Whether this is the level of the `App`, by a request that has come to the middleware: further
    /// in, a part of its path has been matched, unless the scopes around it are all empty. A resource
    /// matches all of it.
    pub(super) fn is_app(&self, request: &HttpRequest) -> bool {
        let path = request.match_info();
        self.is_app_by_type
            .unwrap_or_else(|| self.was_asked.get() && path.unprocessed() == path.as_str())
    }
}

fn of_app<T: ServiceFactory<ServiceRequest>>(_: fn() -> App<T>) -> &'static str {
    type_name::<T::Service>()
}

fn of_scope<T: ServiceFactory<ServiceRequest>>(_: fn() -> Scope<T>) -> &'static str {
    type_name::<T::Service>()
}
