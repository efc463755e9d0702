//! What the driver was told at the start, over connections with and without TLS.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::{Config, NoTls};

use super::*;

const ID: i32 = -0x0102_0304;

/// A server that lets everybody in. `asks_for_tls` tells whether it is asked for TLS first.
async fn serve(mut stream: DuplexStream, asks_for_tls: bool) {
    if asks_for_tls {
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.unwrap();
        assert_eq!(request, [0, 0, 0, 8, 4, 210, 22, 47]);
        stream.write_all(b"S").await.unwrap();
    }
    let length = stream.read_u32().await.unwrap();
    let mut startup = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut startup).await.unwrap();
    // Authentication is over; the id and the key of the process; ready for queries.
    stream.write_all(b"R\0\0\0\x08\0\0\0\0").await.unwrap();
    stream.write_all(b"K\0\0\0\x0c").await.unwrap();
    stream.write_i32(ID).await.unwrap();
    stream.write_i32(77).await.unwrap();
    stream.write_all(b"Z\0\0\0\x05I").await.unwrap();
    // Whatever is sent after that fails the test.
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
}

/// TLS that encrypts nothing, for a connection.
struct Sham;

struct ShamStream(DuplexStream);

impl TlsConnect<DuplexStream> for Sham {
    type Stream = ShamStream;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<ShamStream>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        std::future::ready(Ok(ShamStream(stream)))
    }
}

impl TlsStream for ShamStream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::tls_server_end_point(vec![1, 2, 3])
    }
}

impl AsyncRead for ShamStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for ShamStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// What is read of a connection that was made like this.
async fn told<T>(mode: SslMode, negotiation: SslNegotiation, tls: T, asks: bool) -> Option<i32>
where
    T: TlsConnect<DuplexStream>,
    T::Stream: Send + 'static,
{
    let (here, there) = duplex(1024);
    let server = tokio::spawn(serve(there, asks));
    let mut config = Config::new();
    config
        .user("lucia")
        .ssl_mode(mode)
        .ssl_negotiation(negotiation);
    let (client, connection) = config.connect_raw(here, tls).await.unwrap();
    let connection = tokio::spawn(connection);
    let told = told_at_start(&client).await;
    connection.abort();
    let _ = connection.await;
    server.await.unwrap();
    told
}

#[tokio::test]
async fn the_id_of_the_server_process_is_read_and_nothing_is_sent_for_it() {
    let postgres = SslNegotiation::Postgres;
    let direct = SslNegotiation::Direct;
    assert_eq!(
        told(SslMode::Disable, postgres, NoTls, false).await,
        Some(ID)
    );
    assert_eq!(
        told(SslMode::Prefer, postgres, NoTls, false).await,
        Some(ID)
    );
    assert_eq!(told(SslMode::Prefer, postgres, Sham, true).await, Some(ID));
    assert_eq!(told(SslMode::Require, postgres, Sham, true).await, Some(ID));
    assert_eq!(told(SslMode::Require, direct, Sham, false).await, Some(ID));
}

#[test]
fn what_is_no_request_to_cancel_has_no_id() {
    let mut request = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\x01\0key!".to_vec();
    assert_eq!(Request(request.clone()).process_id(), Some(256));
    assert_eq!(Request(request[1..].to_vec()).process_id(), None);
    request[7] = 0;
    assert_eq!(Request(request).process_id(), None);
    assert_eq!(Request(Vec::new()).process_id(), None);
}
