//! What a failure of Redis means, without what it quotes: its errors can hold keys and values.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// A reply that is not what was asked for.
pub(super) fn unexpected(what: &str) -> StoreError {
    StoreError::internal(format!("Redis gave another answer than {what}"))
}

/// A failure of a command.
pub(super) fn failed(error: &RedisError) -> StoreError {
    let failure = description(error);
    match is_passing(error) {
        true => StoreError::unavailable(failure),
        false => StoreError::internal(failure),
    }
}

/// What it says, without values.
pub(super) fn description(error: &RedisError) -> String {
    match (error.code(), error.kind()) {
        (_, ErrorKind::Io) => format!("the connection to Redis failed: {error}"),
        (Some(code), _) => format!("Redis answered {code}"),
        (None, ErrorKind::AuthenticationFailed) => "Redis refuses the password or user".to_owned(),
        (None, ErrorKind::ClusterConnectionNotFound) => {
            "no node of the cluster answers for this key".to_owned()
        }
        (None, kind) => format!("the driver of Redis reports {kind:?}"),
    }
}

/// Whether it is about the server as it is now, and not about what was asked of it.
fn is_passing(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::AuthenticationFailed | ErrorKind::ClusterConnectionNotFound => {
            true
        }
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
        ),
        // The memory is full, a snapshot cannot be written, too few replicas are connected, a script of
        // another client is running, or the server was told to let nobody in.
        ErrorKind::Extension => matches!(
            error.code(),
            Some("OOM" | "MISCONF" | "NOREPLICAS" | "BUSY" | "NOAUTH" | "WRONGPASS" | "UNBLOCKED")
        ),
        _ => false,
    }
}
