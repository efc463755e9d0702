//! The scripts that run in Redis. Each touches one key, so that it runs in one slot of a cluster, and finds that
//! key wherever it is while slots move. A driver may send one again when the connection breaks before the answer
//! arrives, so each gives the same answer when it runs twice for one call, except `take`: then a rotation loses an
//! attribute that another call set in the moment before.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, RedisResult, ServerErrorKind};

/// A script, and the SHA-1 that a server knows it by once it has run there.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    )*};
}

scripts! {
    INSERT = "scripts/index.lua" "scripts/insert.lua";
    RENEW = "scripts/index.lua" "scripts/renew.lua";
    ROTATE = "scripts/index.lua" "scripts/rotate.lua";
    END = "scripts/index.lua" "scripts/end.lua";
    END_ALL = "scripts/index.lua" "scripts/end_all.lua";
    FORGET = "scripts/index.lua" "scripts/forget.lua";
    STORE = "scripts/store.lua";
    CHANGE = "scripts/change.lua";
    TAKE = "scripts/take.lua";
    TOUCH = "scripts/touch.lua";
}

impl Script {
    fn new(text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    /// Runs it with this key, by a command that `send` sends.
    pub(super) async fn run<T, F>(
        &self,
        key: &str,
        arguments: &[&str],
        send: impl Fn(Cmd) -> F,
    ) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let by_hash = Self::command("EVALSHA", &self.hash, key, arguments);
        match send(by_hash).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                send(self.by_text(key, arguments)).await
            }
            sent => sent,
        }
    }

    /// Runs it by its text, where the server does not know it: one that was restarted or promoted.
    pub(super) fn by_text(&self, key: &str, arguments: &[&str]) -> Cmd {
        Self::command("EVAL", self.text, key, arguments)
    }

    fn command(name: &str, script: &str, key: &str, arguments: &[&str]) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(1).arg(key).arg(arguments);
        command
    }
}
