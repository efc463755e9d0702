//! The page of the development mailbox.

use axum::routing::{MethodRouter, get};

use crate::mail::Mailbox;

/// The page that shows the mails of a [`Mailbox`]:
///
/// ```
/// use axum::Router;
/// use lucia::mail::Mailbox;
///
/// # fn f(mailbox: Mailbox) -> Router {
/// Router::new().route("/dev/mailbox", lucia::axum::mailbox(&mailbox))
/// # }
/// ```
pub fn mailbox<S: Clone + Send + Sync + 'static>(mailbox: &Mailbox) -> MethodRouter<S> {
    let mailbox = mailbox.clone();
    get(move || async move { (Mailbox::HEADERS, mailbox.page()) })
}
