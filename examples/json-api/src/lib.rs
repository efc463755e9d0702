//! Accounts behind a JSON API: clients send a bearer token, and there is no cookie.
//!
//! Read `routes` first: that is what one writes with lucia.

// An application is its own only caller: `pub` here means "for the other modules".
#![expect(unreachable_pub)]

mod database;
mod routes;
mod user;

use actix_web::App;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::ErrorHandlers;
use actix_web::web::Data;
use lucia::Auth;
use lucia::actix::problem_details;

pub use database::{make_admin, open, settings};
pub use user::{COLUMNS, Profile};

/// The application, for the server and for the tests.
pub fn app(
    auth: Auth,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(Data::new(auth))
        .configure(routes::configure)
        .wrap(ErrorHandlers::new().default_handler(problem_details))
}
