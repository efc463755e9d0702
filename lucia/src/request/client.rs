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
    /// The address of the client, by which sign-in attempts are counted. IPv4 addresses mapped into IPv6
    /// are IPv4 addresses here.
    ///
    /// It is the address of the peer of the connection, and behind
    /// [`trusted_proxy`](crate::AuthBuilder::trusted_proxy) the one that the proxy writes in
    /// `X-Forwarded-For` or `Forwarded`, [counted from the right](crate::AuthBuilder::proxy_hops).
    ///
    /// `None` where it is not known: the server does not say (axum without
    /// `into_make_service_with_connect_info`), the connection is a Unix socket, or the proxy's header is
    /// missing or cannot be read. A warning, once for each cause and `Auth`, says what to write. So does one for
    /// an unsafe request with such a header while no proxy is trusted: then all clients behind a
    /// proxy share its address.
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        let Client {
            address,
            is_forwarded,
        } = self.0.client;
        if is_forwarded && self.0.auth.is_said_first(SHARED_ADDRESS) {
            tracing::warn!("{SHARED_ADDRESS}");
        }
        if let Err(reason) = &address {
            let reason = reason.to_string();
            if self.0.auth.is_said_first(&reason) {
                tracing::warn!(
                    reason,
                    "the address of a client is not known: attempts to sign in from it are not counted"
                );
            }
        }
        address.ok()
    }

    /// The `Auth` that this request belongs to. The [events](crate::Event) of its calls have the client of
    /// this request.
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
