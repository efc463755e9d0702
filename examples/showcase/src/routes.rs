//! What the site answers. Pages that are "private" are for signed-in users.
//!
//! | | file |
//! |---|---|
//! | `/`, `/home` (private) | [`home`] |
//! | `/signup` | [`sign_up`]: name, address, password |
//! | `/verify`, `/verify/sent` | [`verify`]: a mailed link confirms an address |
//! | `/login`, `/logout` | [`password_sign_in`] |
//! | `/login/email`, `/login/link`, `/login/code` | [`mailed_sign_in`]: by a mailed link or code |
//! | `/login/with/{provider}` | [`provider_sign_in`]: by GitHub, Google, any OpenID Connect issuer |
//! | `/forgot`, `/reset` | [`reset`]: a mailed link for a new password |
//! | `/confirm` (private) | [`confirm`]: who you are once more, before what matters |
//! | `/security` (private) | [`security`]: all that the account has |
//! | `/security/sessions/..` (private) | [`sessions`] |
//! | `/security/password` (private) | [`password`] |
//! | `/security/email`, `/email/..` (private) | [`change_address`]: confirmed at the new one, undone from the old one |
//! | `/security/link`, `/security/unlink` (private) | [`linked`]: accounts at providers |
//! | `/security/delete` (private) | [`delete`] |
//!
//! A mailed link leads to a GET, which shows a page and changes nothing: programs that scan mails open
//! links as well. The button on the page sends the POST.

mod assets;
mod change_address;
mod confirm;
mod delete;
mod home;
mod linked;
mod mailed_sign_in;
mod password;
mod password_sign_in;
mod provider_sign_in;
mod reset;
mod security;
mod sessions;
mod sign_up;
mod verify;

use actix_web::web::ServiceConfig;

/// Puts all routes into the application.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service((home::landing, home::home))
        .service((sign_up::show, sign_up::sign_up))
        .service((
            verify::sent,
            verify::send_again,
            verify::show,
            verify::verify,
        ))
        .service((password_sign_in::show, password_sign_in::sign_in))
        .service(password_sign_in::sign_out)
        .service((mailed_sign_in::show, mailed_sign_in::send))
        .service((
            mailed_sign_in::link_sent,
            mailed_sign_in::arrive,
            mailed_sign_in::by_link,
        ))
        .service((mailed_sign_in::code_page, mailed_sign_in::by_code))
        .service((provider_sign_in::callback, provider_sign_in::begin))
        .service((
            reset::ask_page,
            reset::ask,
            reset::sent,
            reset::show,
            reset::reset,
        ))
        .service((confirm::show, confirm::by_password, confirm::send_code))
        .service((confirm::code_page, confirm::by_code, confirm::by_provider))
        .service(security::show)
        .service((sessions::end_others, sessions::end))
        .service((password::show, password::change))
        .service((
            change_address::show,
            change_address::ask,
            change_address::sent,
        ))
        .service((change_address::confirm_page, change_address::confirm))
        .service((change_address::undo_page, change_address::undo))
        .service((linked::link, linked::unlink))
        .service((delete::show, delete::delete))
        .service((assets::stylesheet, assets::icon));
}
