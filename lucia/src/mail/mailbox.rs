//! [`Mailbox`]: shows mails on a page, in development.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::html::{escape, is_link};
use super::{Mail, Mailer, SendError};
use crate::auth::{Auth, Environment};
use crate::clock::UnixMillis;
use crate::{Error, Result};

/// How many mails are kept: the newest ones.
const KEPT: usize = 100;

/// A mailer for development. It sends nothing, and keeps the last hundred mails for a page of the
/// application.
///
/// The adapters have a handler for the page: `lucia::actix::mailbox` and `lucia::axum::mailbox`, by
/// convention at `/dev/mailbox`. A clone is another handle to the same mailbox.
///
/// ```
/// use lucia::mail::Mailbox;
/// use lucia::{Auth, Environment, store::Store};
///
/// # async fn f(store: impl Store) -> lucia::Result<()> {
/// let auth = Auth::builder(store).environment(Environment::Development).build()?;
/// let mailbox = Mailbox::new(&auth)?;
/// let outbox = auth.outbox(mailbox.clone()).start().await?;
/// # Ok(()) }
/// ```
///
/// The page shows links and codes to everyone who can reach it. So a mailbox can exist only in development.
#[derive(Clone)]
pub struct Mailbox {
    auth: Auth,
    received: Arc<Mutex<VecDeque<Received>>>,
}

struct Received {
    mail: Mail,
    at: UnixMillis,
}

impl Mailbox {
    /// The headers to send with the page: it is not cached, and runs no scripts.
    pub const HEADERS: [(&'static str, &'static str); 5] = [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; \
             frame-ancestors 'none'; form-action 'none'",
        ),
    ];

    /// An empty mailbox.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless the `Auth` is for [`Environment::Development`].
    pub fn new(auth: &Auth) -> Result<Self> {
        if auth.environment() != Environment::Development {
            let reason = "`Mailbox` shows the mails of all users to everyone, and sends none: it is for \
                `Environment::Development`; send by an `SmtpMailer` in production";
            return Err(Error::setting("environment", reason));
        }
        Ok(Self {
            auth: auth.clone(),
            received: Arc::default(),
        })
    }

    /// The mails, newest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        let received = self.received();
        received.iter().map(|one| one.mail.clone()).collect()
    }

    /// The page with the mails, for a framework without an adapter in lucia. Send it with
    /// [`HEADERS`](Self::HEADERS).
    #[must_use]
    pub fn page(&self) -> String {
        let received = self.received();
        let mut mails = String::new();
        for (at, one) in received.iter().enumerate() {
            write_mail(&mut mails, one, at == 0);
        }
        if mails.is_empty() {
            mails.push_str(
                "<p>No mails yet. Reload this page when the application has sent one.</p>",
            );
        }
        format!(
            r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Mailbox ({count})</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Mailbox</h1>
<p class="about">Mails of this application in development. None of them was sent. The last {KEPT} are kept until it ends.</p>
{mails}
</main>
</body>
</html>
"#,
            count = received.len()
        )
    }

    fn received(&self) -> MutexGuard<'_, VecDeque<Received>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for Mailbox {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let at = self.auth.now();
        let mail = mail.clone();
        let mut received = self.received();
        received.push_front(Received { mail, at });
        received.truncate(KEPT);
        Ok(())
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("mails", &self.received().len())
            .finish_non_exhaustive()
    }
}

const STYLE: &str = "
:root { --line: #d8dade; --quiet: #5c6370; --ground: #f6f7f9; --paper: #fff; --text: #1b1e24; --link: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --line: #373c46; --quiet: #a3abba; --ground: #16181d; \
--paper: #1f2229; --text: #e7e9ee; --link: #8ab4f8 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1rem }
h1 { margin: 0; font-size: 1.6rem }
.about, .to { color: var(--quiet) }
details { margin: 1rem 0; border: 1px solid var(--line); border-radius: .6rem; background: var(--paper) }
summary { padding: .8rem 1rem; cursor: pointer; overflow-wrap: anywhere }
summary strong { margin-right: .4rem }
.to { font-size: .9rem }
h2 { margin: 0; padding: 0 1rem .4rem; font-size: .8rem; font-weight: 600; color: var(--quiet) }
pre { margin: 0; padding: .1rem 1rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font: .9rem/1.5 ui-monospace, monospace }
iframe { display: block; width: 100%; height: 30rem; border: 0; border-top: 1px solid var(--line); \
border-radius: 0 0 .6rem .6rem; background: #fff; resize: vertical }
a { color: var(--link) }
";

fn write_mail(page: &mut String, received: &Received, is_open: bool) {
    let Received { mail, at } = received;
    let open = if is_open { " open" } else { "" };
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<details{open}><summary><strong>{}</strong> <span class=\"to\">to {} at {} UTC</span></summary>\
         <h2>Text</h2><pre>{}</pre>",
        escape(mail.subject()),
        escape(mail.to()),
        time_of_day(*at),
        with_links(mail.text()),
    );
    if let Some(html) = mail.html() {
        // The sandbox runs no scripts, and lets links open in another tab.
        let html = format!("<base target=\"_blank\">{html}");
        let _ = write!(
            page,
            "<h2>HTML</h2><iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\" \
             loading=\"lazy\" title=\"The mail in HTML\" srcdoc=\"{}\"></iframe>",
            escape(&html)
        );
    }
    page.push_str("</details>\n");
}

/// A text in HTML, where links can be clicked.
fn with_links(text: &str) -> String {
    let mut html = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let link = word.trim_end();
        if is_link(link) {
            let rest = &word[link.len()..];
            let link = escape(link);
            let _ = write!(
                html,
                "<a href=\"{link}\" target=\"_blank\" rel=\"noopener noreferrer\">{link}</a>{}",
                escape(rest)
            );
        } else {
            html.push_str(&escape(word));
        }
    }
    html
}

fn time_of_day(at: UnixMillis) -> String {
    let seconds = at.0.div_euclid(1000).rem_euclid(24 * 60 * 60);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests {
    use super::*;
    use crate::SqliteStore;

    async fn mailbox() -> Mailbox {
        let store = SqliteStore::in_memory().await.unwrap();
        let auth = Auth::builder(store).environment(Environment::Development);
        Mailbox::new(&auth.build().unwrap()).unwrap()
    }

    fn mail(subject: &str, text: &str) -> Mail {
        Mail::new("ada@example.com", subject, text).unwrap()
    }

    #[tokio::test]
    async fn there_is_none_in_production() {
        let store = SqliteStore::in_memory().await.unwrap();
        let auth = Auth::builder(store).build().unwrap();
        let refused = Mailbox::new(&auth);
        let is_named = matches!(
            refused,
            Err(Error::Setting {
                setting: "environment",
                ..
            })
        );
        assert!(is_named, "{refused:?}");
    }

    #[tokio::test]
    async fn the_last_hundred_are_kept_the_newest_first() {
        let mailbox = mailbox().await;
        assert!(mailbox.page().contains("No mails yet"));
        for number in 0..=KEPT {
            mailbox
                .send(&mail(&format!("number {number}."), ""))
                .await
                .unwrap();
        }
        let mails = mailbox.mails();
        assert_eq!(mails.len(), KEPT);
        assert_eq!(mails[0].subject(), "number 100.");
        assert_eq!(mails[KEPT - 1].subject(), "number 1.");
        let page = mailbox.page();
        assert!(page.contains("number 1.") && !page.contains("number 0."));
        assert_eq!(page.matches("<details open>").count(), 1);
    }

    #[tokio::test]
    async fn what_a_mail_holds_is_no_html_of_the_page() {
        let mailbox = mailbox().await;
        let text = "<script>1</script> https://example.com/?a=\"><script>2</script>\njavascript:3 https://e.com/?b=1&c=2";
        let mail = mail("<script>4</script>", text)
            .with_html("<script>5</script>\"></iframe><script>6</script>");
        mailbox.send(&mail).await.unwrap();
        let page = mailbox.page();
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("href=\"javascript"), "{page}");
        assert!(
            page.contains("<a href=\"https://e.com/?b=1&amp;c=2\""),
            "{page}"
        );
        assert_eq!(page.matches("</iframe>").count(), 1);
        assert!(page.contains("sandbox=\"allow-popups allow-popups-to-escape-sandbox\""));
    }

    #[test]
    fn times_are_those_of_the_day() {
        for (millis, time) in [(0, "00:00:00"), (86_399_999, "23:59:59"), (-1, "23:59:59")] {
            assert_eq!(time_of_day(UnixMillis(millis)), time);
        }
    }
}
