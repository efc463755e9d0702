//! [`Providers`]: where people can sign in by an account that they have elsewhere.

use lucia::oauth::{OAuthProvider, presets};
use lucia::{Error, Result};

use crate::demo_provider::DemoProvider;
use crate::place::Place;
use crate::settings::{Client, Provider};

/// The providers in the order of their buttons.
#[derive(Clone)]
pub struct Providers {
    all: Vec<OAuthProvider>,
    /// The origins that forms are redirected to, for the `Content-Security-Policy`.
    pub origins: Vec<String>,
}

impl Providers {
    pub fn new(place: &Place, clients: &[Client], demo: Option<&DemoProvider>) -> Result<Self> {
        let mut all = Vec::new();
        let mut origins = Vec::new();
        for Client {
            provider,
            id,
            secret,
        } in clients
        {
            let (key, builder, origin) = match provider {
                Provider::GitHub => {
                    let builder = OAuthProvider::preset(&presets::GITHUB);
                    ("github", builder, "https://github.com".to_owned())
                }
                Provider::Google => {
                    let builder = OAuthProvider::preset(&presets::GOOGLE);
                    ("google", builder, "https://accounts.google.com".to_owned())
                }
                Provider::Oidc { issuer, name } => {
                    let builder = OAuthProvider::oidc("oidc", issuer).name(name);
                    let origin = url::Url::parse(issuer).map_err(Error::internal)?;
                    ("oidc", builder, origin.origin().ascii_serialization())
                }
            };
            let builder = builder
                .client(id, secret)
                .redirect_url(callback(place, key));
            all.push(builder.build()?);
            origins.push(origin);
        }
        if let Some(demo) = demo {
            let builder = OAuthProvider::oidc(demo.id(), demo.issuer()).name("Demo provider");
            let builder = builder.client(demo.client_id(), demo.client_secret());
            all.push(builder.redirect_url(demo.redirect_uri()).build()?);
        }
        Ok(Self { all, origins })
    }

    pub fn get(&self, id: &str) -> Option<&OAuthProvider> {
        self.all.iter().find(|provider| provider.id() == id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &OAuthProvider> {
        self.all.iter()
    }

    /// The name that people know a provider by.
    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.get(id).map_or(id, OAuthProvider::name)
    }
}

/// Where a provider sends people back to.
pub fn callback(place: &Place, id: &str) -> String {
    place.url(&format!("/login/with/{id}/callback"))
}
