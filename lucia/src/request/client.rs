//! Which client sent a request, as far as limits and events ask: its address, and its program.

use std::net::IpAddr;
use std::sync::Arc;

use super::AuthRequest;
use crate::auth::Auth;
use crate::event::EventClient;
use crate::headers::RequestInfo;
use crate::headers::forwarded::Client;

/// The longest user agent that events have, in characters.
const USER_AGENT_LENGTH: usize = 255;

/// What is wrong where a proxy is not known.
const SHARED_ADDRESS: &str = "a request has an `X-Forwarded-For` or `Forwarded` header, and no proxy \
                              is trusted: if it comes by a proxy, all clients share the proxy's \
                              address and one count of failures to sign in; set \
                              `AuthBuilder::trusted_proxy`";

/// The program that sends a request, as it says.
pub(super) fn user_agent(request: &impl RequestInfo) -> Option<Arc<str>> {
    let given = request.header("user-agent").next()?;
    // A character has four bytes at most.
    let given = &given[..given.len().min(4 * USER_AGENT_LENGTH)];
    let given = String::from_utf8_lossy(given);
    let printable = given.chars().filter(|letter| !letter.is_control());
    let kept: String = printable.take(USER_AGENT_LENGTH).collect();
    Some(kept.into())
}

impl AuthRequest {
    /// The address of the client, for which sign-in attempts are counted. IPv4-mapped IPv6 addresses are
    /// returned as IPv4 addresses.
    ///
    /// It is the peer address of the connection. With [`trusted_proxy`](crate::AuthBuilder::trusted_proxy),
    /// it is the address that the proxy writes in `X-Forwarded-For` or `Forwarded`, [counted from the
    /// right](crate::AuthBuilder::proxy_hops).
    ///
    /// `None` if the address is unknown: the server does not report it (axum without
    /// `into_make_service_with_connect_info`), the connection is a Unix socket, or the proxy's header is
    /// missing or unreadable. lucia logs a warning with the remedy, once per cause and `Auth`. It also
    /// warns about an unsafe request that has such a header although no proxy is trusted, because all
    /// clients behind a proxy then share its address.
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        let Client {
            address,
            is_forwarded,
        } = self.0.client;
        if is_forwarded && self.0.auth.is_logged_first(SHARED_ADDRESS) {
            tracing::warn!("{SHARED_ADDRESS}");
        }
        if let Err(reason) = &address {
            let reason = reason.to_string();
            if self.0.auth.is_logged_first(&reason) {
                tracing::warn!(
                    reason,
                    "the address of a client is not known: all such clients share one count of attempts to \
                     sign in for each key"
                );
            }
        }
        address.ok()
    }

    /// The `Auth` that this request belongs to. The [events](crate::Event) of its calls contain the client
    /// of this request.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        if !self.0.auth.has_hooks() {
            return &self.0.auth;
        }
        self.0.client_auth.get_or_init(|| {
            self.0.auth.of_client(EventClient {
                address: self.0.client.address.ok(),
                user_agent: self.0.user_agent.clone(),
            })
        })
    }
}
