//! Asks a server, over many connections at once, and checks every answer.
//!
//! Each connection sends its next request when it has the answer to the last one. All are on one
//! thread: the machine is shared with the server and its database.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use crate::requests::Request;

/// What is asked, of whom, and how much.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) port: u16,
    pub(crate) connections: usize,
    /// Sent in turn, again from the first after the last.
    pub(crate) requests: Rc<Vec<Request>>,
    pub(crate) length: Length,
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    /// So many requests, all of which count.
    Requests(u64),
    /// As many as can be answered in this time, after those that do not count.
    Time {
        warm_up: Duration,
        measured: Duration,
    },
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    /// In nanoseconds.
    pub(crate) latencies: Histogram<u64>,
}

/// Sends the load. `observe` is called when counting begins and when it ends.
///
/// # Errors
///
/// The first answer that is wrong, with what was expected; a connection that is lost.
pub(crate) async fn send<S>(
    load: &Load,
    mut observe: impl FnMut() -> Result<S>,
) -> Result<(Outcome, S, S)> {
    let turns = Rc::new(Turns::new(load)?);
    let local = LocalSet::new();
    let mut working = JoinSet::new();
    for _ in 0..load.connections {
        working.spawn_local_on(work(Rc::clone(&turns), load.port), &local);
    }
    let sending = async {
        if let Length::Time { warm_up, .. } = load.length {
            unless_one_fails(&mut working, warm_up).await?;
        }
        let before = observe()?;
        let begin = Instant::now();
        turns.counting.set(true);
        if let Length::Time { measured, .. } = load.length {
            unless_one_fails(&mut working, measured).await?;
            turns.left.set(0);
            turns.counting.set(false);
        } else {
            all_end(&mut working).await?;
        }
        let elapsed = begin.elapsed();
        let after = observe()?;
        all_end(&mut working).await?;
        Ok::<_, anyhow::Error>((elapsed, before, after))
    };
    let (elapsed, before, after) = local.run_until(sending).await?;
    drop(local);
    let turns = Rc::into_inner(turns).context("all connections have ended")?;
    let latencies = turns.latencies.into_inner();
    let outcome = Outcome {
        requests: latencies.len(),
        elapsed,
        latencies,
    };
    Ok((outcome, before, after))
}

/// Waits. A connection does not end before it is told to.
async fn unless_one_fails(working: &mut JoinSet<Result<()>>, time: Duration) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        ended = working.join_next() => match ended {
            Some(ended) => Err(ended?.err().unwrap_or_else(|| anyhow!("a connection has ended"))),
            None => bail!("there are no connections"),
        },
    }
}

async fn all_end(working: &mut JoinSet<Result<()>>) -> Result<()> {
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    Ok(())
}

/// What all connections share.
struct Turns {
    requests: Rc<Vec<Request>>,
    next: Cell<usize>,
    left: Cell<u64>,
    counting: Cell<bool>,
    latencies: RefCell<Histogram<u64>>,
}

impl Turns {
    fn new(load: &Load) -> Result<Self> {
        if load.requests.is_empty() {
            bail!("there is nothing to ask");
        }
        Ok(Self {
            requests: Rc::clone(&load.requests),
            next: Cell::new(0),
            left: Cell::new(match load.length {
                Length::Requests(number) => number,
                Length::Time { .. } => u64::MAX,
            }),
            counting: Cell::new(matches!(load.length, Length::Requests(_))),
            latencies: RefCell::new(no_times()?),
        })
    }

    fn take(&self) -> Option<&Request> {
        self.left.set(self.left.get().checked_sub(1)?);
        let next = self.next.get();
        self.next.set((next + 1) % self.requests.len());
        Some(&self.requests[next])
    }

    fn answered_in(&self, time: Duration) {
        if self.counting.get() {
            record(&mut self.latencies.borrow_mut(), time);
        }
    }
}

/// Room for times from a microsecond to a minute, to three digits.
pub(crate) fn no_times() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1_000, 60_000_000_000, 3)?)
}

pub(crate) fn record(times: &mut Histogram<u64>, time: Duration) {
    times.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
}

async fn work(turns: Rc<Turns>, port: u16) -> Result<()> {
    let mut connection = Connection::open(port).await?;
    while let Some(request) = turns.take() {
        let asked = Instant::now();
        connection.ask(request).await?;
        turns.answered_in(asked.elapsed());
    }
    Ok(())
}

#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> Result<Self> {
        let connected = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        let stream = connected.context("the server accepts no connection")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(4096),
        })
    }

    /// # Errors
    ///
    /// Another answer than the right one.
    pub(crate) async fn ask(&mut self, request: &Request) -> Result<()> {
        self.send(request).await?;
        self.receive(request).await
    }

    /// The second half of [`ask`](Self::ask).
    pub(crate) async fn receive(&mut self, request: &Request) -> Result<()> {
        let (status, body) = self.read().await?;
        if request.answer.is(status, body) {
            return Ok(());
        }
        let body = String::from_utf8_lossy(body);
        let expected = &request.answer;
        bail!("a wrong answer: {status} `{body}` where {expected:?} was expected");
    }

    /// The status and the body of the answer, whatever they are.
    pub(crate) async fn answer(&mut self, request: &Request) -> Result<(u16, &[u8])> {
        self.send(request).await?;
        self.read().await
    }

    /// Sends a request without waiting for the answer.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<()> {
        Ok(self.stream.write_all(&request.bytes).await?)
    }

    async fn read(&mut self) -> Result<(u16, &[u8])> {
        self.received.clear();
        let (status, start) = loop {
            let read = self.stream.read_buf(&mut self.received).await?;
            if read == 0 {
                bail!("the server has closed a connection");
            }
            if let Some(found) = parse(&self.received)? {
                break found;
            }
        };
        Ok((status, &self.received[start..]))
    }
}

/// The status, and where the body begins, if all of the body is there.
fn parse(received: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(received)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .context("an answer does not say how long it is")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    let status = response.code.context("an answer has no status")?;
    match received.len() - start {
        read if read < length => Ok(None),
        read if read == length => Ok(Some((status, start))),
        _ => bail!("an answer is longer than it says"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::requests::Answer;

    #[test]
    fn an_answer_is_read_when_all_of_it_is_there() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuser-1";
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end]).unwrap(), None);
        }
        let (status, start) = parse(text).unwrap().unwrap();
        assert_eq!((status, &text[start..]), (200, b"user-1".as_slice()));
    }

    #[tokio::test]
    async fn every_answer_is_counted_once() {
        let port = serve(
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuser-1",
            usize::MAX,
        )
        .await;
        let (outcome, ..) = send(&load(port, 100), || Ok(())).await.unwrap();
        assert_eq!(outcome.requests, 100);
    }

    #[tokio::test]
    async fn a_wrong_answer_ends_the_load() {
        let port = serve(
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuser-2",
            usize::MAX,
        )
        .await;
        let error = send(&load(port, 100), || Ok(())).await.unwrap_err();
        assert!(error.to_string().contains("user-2"), "{error}");
    }

    #[tokio::test]
    async fn a_lost_connection_ends_the_load() {
        let port = serve("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nuser-1", 3).await;
        let error = send(&load(port, 100), || Ok(())).await.unwrap_err();
        assert!(error.to_string().contains("closed"), "{error}");
    }

    fn load(port: u16, number: u64) -> Load {
        let answer = Answer::Name("user-1".to_owned());
        Load {
            port,
            connections: 4,
            requests: Rc::new(vec![Request::with_cookie("a=b", answer)]),
            length: Length::Requests(number),
        }
    }

    /// A server that gives this answer, so often on each connection.
    async fn serve(answer: &'static str, times: usize) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 1024];
                    for _ in 0..times {
                        if stream.read(&mut request).await.unwrap() == 0 {
                            break;
                        }
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        port
    }
}
