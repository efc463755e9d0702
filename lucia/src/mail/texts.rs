//! [`MailTexts`]: the mails that accounts need, in words that an application can replace.

mod english;
mod german;
mod layout;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Mail;
use super::html::is_link;
use crate::{Error, Result};

/// What a mail is about, with its values.
///
/// A link is a complete URL, with `https://`.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum MailContent<'a> {
    /// Asks the recipient to confirm their e-mail address.
    VerifyAddress {
        /// The link to the page that confirms it.
        link: &'a str,
    },
    /// Lets the user choose a new password.
    ResetPassword {
        /// The link to the page that asks for the new password.
        link: &'a str,
    },
    /// Asks the recipient to confirm a new address. Sent to the new address.
    ConfirmNewAddress {
        /// The link to the page that confirms it.
        link: &'a str,
    },
    /// Tells the recipient that the address of the account has changed. Sent to the old address.
    AddressChanged {
        /// The new address.
        new_address: &'a str,
        /// The link to the page that undoes the change.
        undo_link: &'a str,
    },
    /// Lets the recipient sign in.
    SignInLink {
        /// The link to the page that signs them in.
        link: &'a str,
    },
    /// A code to type on the page that asked for it.
    SignInCode {
        /// The code.
        code: &'a str,
    },
    /// Invites a person who may not have an account yet.
    Invitation {
        /// The link to the page that accepts the invitation.
        link: &'a str,
        /// The name of the person or organisation that invites.
        from: &'a str,
    },
}

impl<'a> MailContent<'a> {
    /// The link, if there is one.
    #[must_use]
    pub fn link(&self) -> Option<&'a str> {
        match *self {
            Self::VerifyAddress { link }
            | Self::ResetPassword { link }
            | Self::ConfirmNewAddress { link }
            | Self::AddressChanged {
                undo_link: link, ..
            }
            | Self::SignInLink { link }
            | Self::Invitation { link, .. } => Some(link),
            Self::SignInCode { .. } => None,
        }
    }

    /// The code, if there is one.
    #[must_use]
    pub fn code(&self) -> Option<&'a str> {
        match *self {
            Self::SignInCode { code } => Some(code),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::VerifyAddress { .. } => "VerifyAddress",
            Self::ResetPassword { .. } => "ResetPassword",
            Self::ConfirmNewAddress { .. } => "ConfirmNewAddress",
            Self::AddressChanged { .. } => "AddressChanged",
            Self::SignInLink { .. } => "SignInLink",
            Self::SignInCode { .. } => "SignInCode",
            Self::Invitation { .. } => "Invitation",
        }
    }
}

impl fmt::Debug for MailContent<'_> {
    /// Without links and codes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The words of a mail, as plain text. lucia adds the link or code, and the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailWords {
    /// The subject.
    pub subject: String,
    /// Paragraphs before the link or code.
    pub before: Vec<String>,
    /// The label of the button with the link.
    pub button: String,
    /// Paragraphs after the link or code.
    pub after: Vec<String>,
    /// What to do if the button does not work. The link follows this text.
    pub fallback: String,
    /// The language, as in HTML: `en`.
    pub language: String,
}

impl MailWords {
    /// Words in this language, with this subject and nothing else.
    #[must_use]
    pub fn new(language: &str, subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            before: Vec::new(),
            button: String::new(),
            after: Vec::new(),
            fallback: String::new(),
            language: language.to_owned(),
        }
    }

    /// Adds a paragraph before the link or code.
    #[must_use]
    pub fn before(mut self, paragraph: impl Into<String>) -> Self {
        self.before.push(paragraph.into());
        self
    }

    /// Sets the label of the button, and the text in small print before the link itself.
    #[must_use]
    pub fn button(mut self, label: impl Into<String>, fallback: impl Into<String>) -> Self {
        self.button = label.into();
        self.fallback = fallback.into();
        self
    }

    /// Adds a paragraph after the link or code.
    #[must_use]
    pub fn after(mut self, paragraph: impl Into<String>) -> Self {
        self.after.push(paragraph.into());
        self
    }
}

/// What a mail is about and for whom, when an application is asked for its words.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MailOccasion<'a> {
    /// What the mail is about.
    pub content: MailContent<'a>,
    /// The name of the site, as people know it.
    pub site: &'a str,
    /// The requested language, as in `Accept-Language`: `de-AT`.
    pub language: &'a str,
    /// How long the link or code works.
    pub lifetime: Duration,
}

impl MailOccasion<'_> {
    /// Whether the requested language is this one, in any region: `de-AT` is `de`.
    #[must_use]
    pub fn is_in(&self, language: &str) -> bool {
        let first = self.language.split(['-', '_']).next().unwrap_or_default();
        first.trim().eq_ignore_ascii_case(language)
    }
}

type Words = Arc<dyn Fn(&MailOccasion<'_>) -> Option<MailWords> + Send + Sync>;
type Layout = Arc<dyn Fn(&MailOccasion<'_>, &MailWords) -> String + Send + Sync>;

/// Writes the mails that accounts need, in English and German, as text and as HTML.
///
/// ```
/// use lucia::KeyLink;
/// use lucia::mail::{MailContent, MailTexts, Outbox};
///
/// # fn f(outbox: &Outbox, link: KeyLink) -> lucia::Result<()> {
/// let texts = MailTexts::new("Example"); // the name of your site; made once
///
/// let url = format!("https://example.com/reset?token={}", link.token.expose());
/// let content = MailContent::ResetPassword { link: &url };
/// let mail = texts.mail(link.key.provider_user_id(), "de", content, link.lifetime)?;
/// outbox.send(mail)?;
/// # Ok(()) }
/// ```
///
/// [`words`](Self::words) replaces some or all of the texts, or adds a language. [`layout`](Self::layout)
/// replaces the HTML around them. All values are escaped in HTML.
#[derive(Clone)]
pub struct MailTexts {
    site: String,
    words: Option<Words>,
    layout: Option<Layout>,
}

impl MailTexts {
    /// Texts for the site with this name.
    pub fn new(site: impl Into<String>) -> Self {
        Self {
            site: site.into(),
            words: None,
            layout: None,
        }
    }

    /// Asks for your own words first. If you return none, lucia uses its own words, in English unless it
    /// knows the language.
    ///
    /// ```
    /// use lucia::mail::{MailContent, MailTexts, MailWords};
    ///
    /// let texts = MailTexts::new("Example").words(|occasion| match occasion.content {
    ///     MailContent::ResetPassword { .. } if occasion.is_in("fr") => Some(
    ///         MailWords::new("fr", format!("Mot de passe de {}", occasion.site))
    ///             .before("Vous pouvez choisir un nouveau mot de passe :")
    ///             .button("Choisir un mot de passe", "Ou ouvrez ce lien :"),
    ///     ),
    ///     _ => None,
    /// });
    /// ```
    #[must_use]
    pub fn words(
        mut self,
        words: impl Fn(&MailOccasion<'_>) -> Option<MailWords> + Send + Sync + 'static,
    ) -> Self {
        self.words = Some(Arc::new(words));
        self
    }

    /// Replaces lucia's layout: creates the HTML from the words. Escape what you insert, including the
    /// link.
    #[must_use]
    pub fn layout(
        mut self,
        layout: impl Fn(&MailOccasion<'_>, &MailWords) -> String + Send + Sync + 'static,
    ) -> Self {
        self.layout = Some(Arc::new(layout));
        self
    }

    /// A mail to this address, in this language (`de`, or `de-AT`), whose link or code works for this long.
    /// The mail has the same [lifetime](Mail::with_lifetime).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAddress`]; [`Error::Misuse`] if a link is not a URL with `https://` or `http://`;
    /// [`Error::Internal`] if the operating system returns no random bytes.
    pub fn mail(
        &self,
        to: &str,
        language: &str,
        content: MailContent<'_>,
        lifetime: Duration,
    ) -> Result<Mail> {
        if content.link().is_some_and(|link| !is_link(link)) {
            let reason = "the link of a mail is no URL; write it with `https://` and your host";
            return Err(Error::Misuse(reason.to_owned()));
        }
        let occasion = MailOccasion {
            content,
            site: &self.site,
            language,
            lifetime,
        };
        let own = self.words.as_ref().and_then(|words| words(&occasion));
        let words = own.unwrap_or_else(|| match occasion.is_in("de") {
            true => german::words(&occasion),
            false => english::words(&occasion),
        });
        let html = match &self.layout {
            Some(layout) => layout(&occasion, &words),
            None => layout::html(&occasion, &words),
        };
        let mail = Mail::new(to, &words.subject, &layout::text(&occasion, &words))?;
        Ok(mail.with_html(&html).with_lifetime(lifetime))
    }
}

impl fmt::Debug for MailTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailTexts")
            .field("site", &self.site)
            .field("words", &self.words.is_some())
            .field("layout", &self.layout.is_some())
            .finish()
    }
}

/// A duration as a number of days, hours or minutes: the longest of these that says it exactly, or whole
/// minutes.
fn largest_unit(duration: Duration) -> (u64, Unit) {
    let minutes = duration.as_secs() / 60;
    match minutes {
        _ if minutes >= 2 * 24 * 60 && minutes.is_multiple_of(24 * 60) => {
            (minutes / 24 / 60, Unit::Days)
        }
        _ if minutes >= 60 && minutes.is_multiple_of(60) => (minutes / 60, Unit::Hours),
        _ => (minutes.max(1), Unit::Minutes),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Days,
    Hours,
    Minutes,
}

#[cfg(test)]
mod tests;
