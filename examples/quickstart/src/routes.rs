//! What the site answers.
//!
//! | | who | |
//! |---|---|---|
//! | `GET /` | anybody | [`home::landing`] |
//! | `GET` and `POST /signup` | anybody | [`account::sign_up`] |
//! | `GET` and `POST /login` | anybody | [`account::log_in`] |
//! | `GET /home` | signed in | [`home::home`] |
//! | `GET /sessions` | signed in | [`sessions::list`] |
//! | `POST /sessions/{id}/revoke` | signed in | [`sessions::revoke`] |
//! | `POST /sessions/revoke-others` | signed in | [`sessions::revoke_others`] |
//! | `POST /logout` | signed in | [`account::log_out`] |

mod account;
mod assets;
mod home;
mod sessions;

use actix_web::web::ServiceConfig;

/// Puts all routes into the application.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(home::landing)
        .service(account::sign_up_page)
        .service(account::sign_up)
        .service(account::log_in_page)
        .service(account::log_in)
        .service(home::home)
        .service(sessions::list)
        .service(sessions::revoke_others)
        .service(sessions::revoke)
        .service(account::log_out)
        .service(assets::stylesheet)
        .service(assets::icon);
}
