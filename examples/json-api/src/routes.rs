//! What the API answers.
//!
//! | | who | |
//! |---|---|---|
//! | `POST /signup`, `POST /login` | anybody | [`account`] |
//! | `POST /logout` | signed in | [`account::log_out`] |
//! | `POST /reauthenticate` | signed in | [`account::reauthenticate`] |
//! | `GET` and `PATCH /me` | signed in | [`me`] |
//! | `DELETE /me` | has proved within 10 minutes who they are | [`me::delete`] |
//! | `GET /sessions`, `DELETE /sessions/{id}` | signed in | [`sessions`] |
//! | `DELETE /sessions` | signed in | [`sessions::end_others`] |
//! | `GET /admin/users/{username}` | administrators | [`admin`] |

mod account;
mod admin;
mod me;
mod sessions;

use actix_web::web::ServiceConfig;

/// The way of signing in that usernames belong to. An application can have several.
pub const PROVIDER: &str = "username";

/// Puts all routes into the application.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(account::sign_up)
        .service(account::log_in)
        .service(account::reauthenticate)
        .service(account::log_out)
        .service(me::show)
        .service(me::edit)
        .service(me::delete)
        .service(sessions::list)
        .service(sessions::end_others)
        .service(sessions::end)
        .service(admin::user);
}
