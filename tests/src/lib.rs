//! What the tests share: databases that come and go with a test, faults to inject between a store
//! and its database, a clock to move, everything that is logged, a Node application with Lucia v2,
//! and a mail server.

mod bouncer;
mod clock;
#[cfg(doctest)]
mod documents;
mod logs;
mod node;
mod oidc;
mod postgres;
mod proxy;
mod redis_server;
mod revocations;
mod skip;
mod small_disk;
mod smtp;

pub use bouncer::Bouncer;
pub use clock::TestClock;
pub use logs::{Watch, watch};
pub use node::{Peer, PeerError, PeerOptions};
pub use oidc::OidcProvider;
pub use postgres::{
    Database, Failover, Pair, Replication, Server, Stop, Template, programs_are_installed,
    server_url,
};
pub use proxy::{Proxy, Statement};
pub use redis_server::{RedisCluster, RedisServer};
pub use revocations::are_seen_within_a_second;
pub use skip::skip;
pub use small_disk::SmallDisk;
pub use smtp::{MailServer, ReceivedMail};
