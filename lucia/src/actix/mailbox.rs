//! The page of the development mailbox.

use actix_web::{HttpResponse, Route, web};

use crate::mail::Mailbox;

/// The page that shows the mails of a [`Mailbox`]:
///
/// ```
/// use actix_web::App;
/// use lucia::mail::Mailbox;
///
/// # fn f(mailbox: Mailbox) {
/// App::new().route("/dev/mailbox", lucia::actix::mailbox(&mailbox))
/// # ;}
/// ```
pub fn mailbox(mailbox: &Mailbox) -> Route {
    let mailbox = mailbox.clone();
    web::get().to(move || {
        let mut response = HttpResponse::Ok();
        for header in Mailbox::HEADERS {
            response.insert_header(header);
        }
        let response = response.body(mailbox.page());
        async move { response }
    })
}
