//! The code in the documents, compiled as doctests.

/// `README.md`.
#[doc = include_str!("../../README.md")]
mod readme {}

/// `docs/performance.md`.
#[doc = include_str!("../../docs/performance.md")]
mod performance {}

/// `docs/events.md`.
#[doc = include_str!("../../docs/events.md")]
mod events {}

/// `docs/monitoring.md`.
#[doc = include_str!("../../docs/monitoring.md")]
mod monitoring {}

/// `docs/testing.md`.
#[doc = include_str!("../../docs/testing.md")]
mod testing {}

/// `docs/recipes.md`.
#[doc = include_str!("../../docs/recipes.md")]
mod recipes {}

/// `docs/social-sign-in.md`.
#[cfg(feature = "oauth")]
#[doc = include_str!("../../docs/social-sign-in.md")]
mod social_sign_in {}

/// `docs/e-mail.md`.
#[doc = include_str!("../../docs/e-mail.md")]
mod e_mail {}

/// `docs/coming-from-lucia.md`.
#[doc = include_str!("../../docs/coming-from-lucia.md")]
mod coming_from_lucia {}

/// `docs/coming-from-actix-identity.md`. What uses those crates is not compiled.
#[doc = include_str!("../../docs/coming-from-actix-identity.md")]
mod coming_from_actix_identity {}

/// `docs/behind-a-proxy-and-a-pooler.md`.
#[doc = include_str!("../../docs/behind-a-proxy-and-a-pooler.md")]
mod behind_a_proxy_and_a_pooler {}

/// `docs/growing.md`.
#[doc = include_str!("../../docs/growing.md")]
mod growing {}

/// `docs/high-availability.md`.
#[doc = include_str!("../../docs/high-availability.md")]
mod high_availability {}

/// `docs/redis.md`.
#[cfg(feature = "redis")]
#[doc = include_str!("../../docs/redis.md")]
mod redis {}

/// `docs/json-apis-and-spas.md`.
#[doc = include_str!("../../docs/json-apis-and-spas.md")]
mod json_apis_and_spas {}
