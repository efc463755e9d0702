//! The table of providers: their URLs, what to request, and where their answers identify a person.
//!
//! Each row is a constant, such as [`GITHUB`], for [`OAuthProvider::preset`](super::OAuthProvider::preset).
//! The ids are the provider ids of keys. For the providers that Lucia 2 had, the ids and the subjects are
//! the same as there, with two exceptions: for Amazon Cognito and Salesforce, Lucia 2 used other claims
//! than `sub`. [`ALL`] has all rows, for a page that shows them.
//!
//! An OpenID Connect provider that is not in the table needs no row: use
//! [`OAuthProvider::oidc`](super::OAuthProvider::oidc). For any other provider, define a constant in the
//! application:
//!
//! ```
//! use lucia::oauth::presets::{EmailIn, Endpoints, Preset, SecretIn, Server, UserInfoMethod};
//!
//! const GITEA: Preset = Preset {
//!     id: "gitea",
//!     name: "Our Gitea",
//!     server: Server::Plain(Endpoints {
//!         authorization: "https://git.example.com/login/oauth/authorize",
//!         token: "https://git.example.com/login/oauth/access_token",
//!         secret_in: SecretIn::Header,
//!         user_info: "https://git.example.com/api/v1/user",
//!         user_info_method: UserInfoMethod::Get,
//!         subject: "/id",
//!         email: EmailIn::Unverified("/email"),
//!         name: "/login",
//!     }),
//!     scopes: &["read:user"],
//!     parameters: &[],
//! };
//! ```

pub(super) mod table;

pub use table::*;

/// The data of a provider.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs)] // Applications write rows of their own.
pub struct Preset {
    /// The provider id of its users' keys.
    pub id: &'static str,
    /// The display name.
    pub name: &'static str,
    /// How it is reached.
    pub server: Server,
    /// The scopes to request, so that the answer has a subject, and an e-mail address if there is one.
    pub scopes: &'static [&'static str],
    /// Further parameters of the authorization URL.
    pub parameters: &'static [(&'static str, &'static str)],
}

/// How a provider is reached.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Server {
    /// With OpenID Connect. The issuer's discovery document has the URLs.
    Issuer(&'static str),
    /// With OpenID Connect. Each customer has another issuer, of this form.
    YourIssuer(&'static str),
    /// With OAuth 2 and a provider-specific user-info endpoint.
    Plain(Endpoints),
}

/// The URLs of a provider without ID tokens, and JSON pointers (RFC 6901) into its user info.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_structs)]
pub struct Endpoints {
    /// The URL to which people are sent.
    pub authorization: &'static str,
    /// The URL at which a code is exchanged.
    pub token: &'static str,
    /// Where the token request has the client secret.
    pub secret_in: SecretIn,
    /// The URL of the user info.
    pub user_info: &'static str,
    /// The method of the user-info request.
    pub user_info_method: UserInfoMethod,
    /// Where the person's id is. The id never changes and is never given to another person.
    pub subject: &'static str,
    /// Where the e-mail address is.
    pub email: EmailIn,
    /// Where the display name is.
    pub name: &'static str,
}

/// How the client secret is sent (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretIn {
    /// In the header `Authorization: Basic`.
    Header,
    /// In the body.
    Body,
}

/// The method of a request for user info.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserInfoMethod {
    /// GET.
    Get,
    /// POST.
    Post,
}

/// Where a provider has e-mail addresses, and whether it verifies them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum EmailIn {
    /// The provider gives none.
    Nowhere,
    /// At this place. The provider does not say whether it is verified.
    Unverified(&'static str),
    /// At this place. According to the provider's documentation, it gives only verified addresses.
    Verified(&'static str),
    /// At one place, with a flag at another.
    Flagged {
        /// The address.
        email: &'static str,
        /// Whether it is verified.
        verified: &'static str,
    },
    /// In a list at another URL.
    List {
        /// The URL.
        url: &'static str,
        /// Where the list is in the answer.
        list: &'static str,
        /// The field of the address.
        email: &'static str,
        /// The field that is true for the address that counts.
        primary: &'static str,
        /// The field that says whether it is verified.
        verified: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::oauth::OAuthProvider;

    #[test]
    fn each_row_says_when_it_was_compared_and_with_what() {
        let table = include_str!("presets/table.rs");
        let rows: Vec<_> = table.split(": Preset = Preset {").collect();
        let (_, rows) = rows.split_last().unwrap();
        assert_eq!(rows.len(), ALL.len() + 1);
        for row in rows {
            let (_, documentation) = row.rsplit_once("\n\n").unwrap();
            let compared = documentation.split_once("/// Compared on ");
            let (date, source) = compared.unwrap().1.split_once(" with <https://").unwrap();
            assert_eq!(date.len(), "2026-01-01".len(), "{documentation}");
            assert!(source.contains(">."), "{documentation}");
        }
    }

    #[test]
    fn each_row_builds_a_provider() {
        let mut ids = HashSet::new();
        for preset in ALL {
            assert!(ids.insert(preset.id), "{}", preset.id);
            let mut builder = OAuthProvider::preset(preset)
                .client("id", "secret")
                .redirect_url("https://example.com/callback");
            if let Server::YourIssuer(form) = preset.server {
                assert!(form.starts_with("https://"));
                builder = builder.issuer("https://id.example.com");
            }
            if let Server::Plain(endpoints) = &preset.server {
                for place in [endpoints.subject, endpoints.name] {
                    assert!(place.starts_with('/'), "{}", preset.id);
                }
                for url in [
                    endpoints.authorization,
                    endpoints.token,
                    endpoints.user_info,
                ] {
                    assert!(url.starts_with("https://"), "{url}");
                }
            }
            assert_eq!(builder.build().unwrap().name(), preset.name);
        }
    }

    #[test]
    fn the_providers_of_lucia_2_are_there_under_their_ids() {
        let lucia = "apple atlassian auth0 azure_ad bitbucket box cognito discord dropbox facebook github gitlab \
            google kakao keycloak lichess line linkedin osu patreon reddit salesforce slack spotify strava \
            twitch twitter";
        let ids: HashSet<_> = ALL.iter().map(|preset| preset.id).collect();
        let lucia: Vec<_> = lucia.split_whitespace().collect();
        assert_eq!(lucia.len(), 27);
        for id in lucia {
            assert!(ids.contains(id), "{id}");
        }
    }
}
