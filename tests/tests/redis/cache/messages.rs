//! What the cache relies on: the order in which a server sends messages of changes and replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lucia_tests::RedisServer;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, PushKind, Value, cmd};

/// With and without threads of the server's own, while others write as fast as they can.
#[tokio::test(flavor = "multi_thread")]
async fn two_pings_one_after_the_other_are_answered_behind_all_messages_of_earlier_changes() {
    for threads in ["1", "4"] {
        let settings = [
            "--save",
            "",
            "--io-threads",
            threads,
            "--io-threads-do-reads",
            "yes",
        ];
        let Some(server) = RedisServer::start(&settings).await else {
            return;
        };
        let newest = Arc::new(AtomicU64::new(0));
        let mut tracking = tracking(&server, newest.clone()).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut others = Vec::new();
        for number in 0..4 {
            let (mut connection, is_over) = (server.connect().await, is_over.clone());
            others.push(tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let mut set = cmd("SET");
                    set.arg(format!("seen:other-{number}")).arg("");
                    set.exec_async(&mut connection).await.unwrap();
                }
            }));
        }
        let mut writer = server.connect().await;
        for number in 1..=2_000_u64 {
            let mut set = cmd("SET");
            set.arg(format!("seen:{number}")).arg("");
            set.exec_async(&mut writer).await.unwrap();
            for _ in 0..2 {
                cmd("PING").exec_async(&mut tracking).await.unwrap();
            }
            assert_eq!(newest.load(Ordering::Acquire), number, "{threads} threads");
        }
        is_over.store(true, Ordering::Relaxed);
        for other in others {
            other.await.unwrap();
        }
    }
}

/// A connection that is told of changes, and takes note of the newest one.
async fn tracking(
    server: &RedisServer,
    newest: Arc<AtomicU64>,
) -> redis::aio::MultiplexedConnection {
    let note = move |message: PushInfo| {
        if let (PushKind::Invalidate, [Value::Array(keys)]) = (message.kind, &*message.data) {
            for key in keys {
                let key: String = redis::from_redis_value(key.clone()).unwrap();
                if let Ok(number) = key.trim_start_matches("seen:").parse() {
                    newest.fetch_max(number, Ordering::Release);
                }
            }
        }
        Ok::<_, ()>(())
    };
    let info = redis::IntoConnectionInfo::into_connection_info(server.url()).unwrap();
    let settings = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings)).unwrap();
    let config = AsyncConnectionConfig::new().set_push_sender(note);
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = connection.await.unwrap();
    let mut track = cmd("CLIENT");
    track
        .arg("TRACKING")
        .arg("ON")
        .arg("BCAST")
        .arg("PREFIX")
        .arg("seen:");
    track.exec_async(&mut connection).await.unwrap();
    connection
}
