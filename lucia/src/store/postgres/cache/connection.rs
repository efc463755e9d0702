//! A connection that tells what it is notified of. A pool keeps that to itself.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, Notification, Socket};

pub(super) type Connecting =
    Pin<Box<dyn Future<Output = Result<(Client, Incoming), Error>> + Send>>;

/// A way to connect.
pub(super) trait Connect: Send + Sync {
    fn connect(&self) -> Connecting;
}

pub(super) struct ByConfig<T> {
    pub(super) config: Config,
    pub(super) tls: T,
}

impl<T> Connect for ByConfig<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn connect(&self) -> Connecting {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        Box::pin(async move {
            let (client, connection) = config.connect(tls).await?;
            Ok((client, Incoming(Box::new(connection))))
        })
    }
}

/// What comes from the server. The client of this connection gets its answers while this is asked.
pub(super) struct Incoming(Box<dyn Messages + Send>);

trait Messages {
    fn poll_next(&mut self, context: &mut Context<'_>)
    -> Poll<Option<Result<AsyncMessage, Error>>>;
}

impl<S, T> Messages for Connection<S, T>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, Error>>> {
        self.poll_message(context)
    }
}

impl Incoming {
    /// The next notification; `None` when the connection has ended.
    pub(super) async fn notification(&mut self) -> Result<Option<Notification>, Error> {
        loop {
            match poll_fn(|context| self.0.poll_next(context)).await {
                Some(Ok(AsyncMessage::Notification(notification))) => {
                    return Ok(Some(notification));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(None),
            }
        }
    }
}
