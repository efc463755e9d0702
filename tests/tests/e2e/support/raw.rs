//! Requests byte by byte, for what no client would send, and for what no log may see.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Reply, Site};

/// A connection to a site.
pub(crate) struct Raw(TcpStream);

impl Site {
    pub(crate) async fn raw(&self) -> Raw {
        Raw::to(self.address()).await
    }

    /// Sends a request with these header lines and this body, and reads the response.
    pub(crate) async fn exchange(&self, start: &str, headers: &[&[u8]], body: &[u8]) -> Reply {
        self.exchange_part(start, headers, body.len(), body).await
    }

    /// As [`exchange`](Self::exchange), with no more than the beginning of a body of `length`
    /// bytes. The rest never comes.
    pub(crate) async fn exchange_part(
        &self,
        start: &str,
        headers: &[&[u8]],
        length: usize,
        body: &[u8],
    ) -> Reply {
        let mut raw = self.raw().await;
        let mut request = format!("{start} HTTP/1.1\r\nhost: {}\r\n", self.address()).into_bytes();
        for header in headers {
            request.extend_from_slice(header);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(
            format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes(),
        );
        request.extend_from_slice(body);
        raw.send(&request).await;
        raw.reply().await
    }

    /// Announces a body from a page of this site, and sends no more than the first byte of it.
    pub(crate) async fn post_without_the_rest(&self, path: &str, header: &str) -> Reply {
        let origin = format!("origin: {}", self.origin());
        let headers = [origin.as_bytes(), header.as_bytes()];
        let start = format!("POST {path}");
        self.exchange_part(&start, &headers, 4096, b"{").await
    }
}

impl Raw {
    async fn to(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next response, which has to come within a time that no waiting for a body ends in.
    pub(crate) async fn reply(&mut self) -> Reply {
        let reading = tokio::time::timeout(Duration::from_secs(20), self.read());
        reading.await.expect("a response in time")
    }

    async fn read(&mut self) -> Reply {
        let mut bytes = Vec::new();
        let end = loop {
            assert!(
                self.more(&mut bytes).await,
                "the connection ended: {bytes:?}"
            );
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            headers.append(
                HeaderName::try_from(name).unwrap(),
                HeaderValue::try_from(value.trim()).unwrap(),
            );
        }
        let length = headers.get("content-length");
        let length = length.map(|length| length.to_str().unwrap().parse::<usize>().unwrap());
        let mut body = bytes.split_off(end + 4);
        while length.is_none_or(|length| body.len() < length) && self.more(&mut body).await {}
        Reply {
            status: status.parse().unwrap(),
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Reads on; whether there was anything.
    async fn more(&mut self, bytes: &mut Vec<u8>) -> bool {
        self.0.read_buf(bytes).await.unwrap() > 0
    }
}
