//! A proxy that stops between two commands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lucia_tests::RedisServer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Where a connection stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The next command does not arrive.
    Command,
    /// The next command arrives, and its reply does not.
    Reply,
}

/// What stands between a store and its server.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    mode: Mutex<Mode>,
    has_stopped: Notify,
    goes_on: Notify,
    /// It answers `CLIENT TRACKING` in the place of the server.
    hides_tracking: AtomicBool,
    /// Nothing comes back over connections that have said so.
    holds_messages: watch::Sender<bool>,
    /// How often all connections were cut.
    cuts: watch::Sender<u64>,
}

enum Mode {
    Open,
    /// So many commands pass before it stops.
    Counting(usize, Stop),
    /// No reply passes.
    Silent,
}

impl Proxy {
    pub(crate) async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Open),
            has_stopped: Notify::new(),
            goes_on: Notify::new(),
            hides_tracking: AtomicBool::new(false),
            holds_messages: watch::channel(false).0,
            cuts: watch::channel(0).0,
        });
        let (server, shared) = (server.port(), state.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let state = shared.clone();
                let mut cuts = state.cuts.subscribe();
                let is_tracking = Arc::new(AtomicBool::new(false));
                tokio::spawn(async move {
                    tokio::select! {
                        () = commands(from_client, to_server, state.clone(), is_tracking.clone()) => {}
                        () = replies(from_server, to_client, state.clone(), is_tracking) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Lets so many commands pass, and stops then.
    pub(crate) fn stop_after(&self, commands: usize, stop: Stop) {
        *self.state.mode.lock().unwrap() = Mode::Counting(commands, stop);
    }

    /// From now on no server learns of `CLIENT TRACKING`.
    pub(crate) fn hide_tracking(&self) {
        self.state.hides_tracking.store(true, Ordering::Relaxed);
    }

    /// Whether messages of changes are held back from now on, and whatever else comes over their connections.
    pub(crate) fn hold_messages(&self, hold: bool) {
        self.state.holds_messages.send_replace(hold);
    }

    /// Waits until it has stopped.
    pub(crate) async fn has_stopped(&self) {
        self.state.has_stopped.notified().await;
    }

    /// Cuts all connections, and lets new ones pass.
    pub(crate) fn cut(&self) {
        *self.state.mode.lock().unwrap() = Mode::Open;
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Whether it has cut connections.
    pub(crate) fn was_cut(&self) -> bool {
        *self.state.cuts.borrow() > 0
    }

    /// Lets everything pass again, what it has stopped included.
    pub(crate) fn go_on(&self) {
        *self.state.mode.lock().unwrap() = Mode::Open;
        self.state.goes_on.notify_one();
    }
}

impl State {
    /// Whether a command may pass.
    fn lets_pass(&self) -> bool {
        let mut mode = self.mode.lock().unwrap();
        match &mut *mode {
            Mode::Open | Mode::Silent => true,
            Mode::Counting(0, Stop::Command) => false,
            Mode::Counting(0, Stop::Reply) => {
                *mode = Mode::Silent;
                true
            }
            Mode::Counting(left, _) => {
                *left -= 1;
                true
            }
        }
    }

    async fn stop(&self) {
        self.has_stopped.notify_one();
        self.goes_on.notified().await;
    }
}

async fn commands(
    client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    state: Arc<State>,
    is_tracking: Arc<AtomicBool>,
) {
    let mut client = BufReader::new(client);
    while let Some(mut command) = command(&mut client).await {
        let tracks = command.windows(8).any(|word| word == b"TRACKING");
        is_tracking.fetch_or(tracks, Ordering::Relaxed);
        if tracks && state.hides_tracking.load(Ordering::Relaxed) {
            command = b"*1\r\n$4\r\nPING\r\n".to_vec();
        }
        if !state.lets_pass() {
            state.stop().await;
        }
        if server.write_all(&command).await.is_err() {
            return;
        }
    }
}

/// The next command: an array of texts, each with its length before it.
async fn command(client: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let mut command = Vec::new();
    let words = length(client, &mut command).await?;
    for _ in 0..words {
        let bytes = length(client, &mut command).await?;
        let start = command.len();
        command.resize(start + bytes + 2, 0);
        client.read_exact(&mut command[start..]).await.ok()?;
    }
    Some(command)
}

async fn length(client: &mut BufReader<OwnedReadHalf>, command: &mut Vec<u8>) -> Option<usize> {
    let start = command.len();
    client.read_until(b'\n', command).await.ok()?;
    let line = std::str::from_utf8(command.get(start + 1..)?).ok()?;
    line.trim_end().parse().ok()
}

async fn replies(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    state: Arc<State>,
    is_tracking: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        let is_silent = matches!(*state.mode.lock().unwrap(), Mode::Silent);
        if is_silent {
            state.stop().await;
        }
        if is_tracking.load(Ordering::Relaxed) {
            let mut held = state.holds_messages.subscribe();
            let _ = held.wait_for(|held| !held).await;
        }
        if client.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
