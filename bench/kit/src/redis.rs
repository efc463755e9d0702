//! A Redis of the kit's own, gone when the kit ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::servers::free_port;

#[derive(Debug)]
pub(crate) struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    /// Whether it can be started here.
    pub(crate) fn is_installed() -> bool {
        Self::version().is_ok()
    }

    pub(crate) fn version() -> Result<String> {
        let output = Command::new("redis-server").arg("--version").output()?;
        let text = String::from_utf8(output.stdout)?;
        let version = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="));
        Ok(version.context("redis-server has no version")?.to_owned())
    }

    /// It keeps everything in memory and writes nothing to disk.
    pub(crate) fn start() -> Result<Self> {
        let port = free_port()?;
        let process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start redis-server")?;
        let redis = Self { process, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if Instant::now() > deadline {
                bail!("redis-server does not start");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How many bytes its data take.
    pub(crate) fn used_memory(&self) -> Result<u64> {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        connection.write_all(b"INFO memory\r\nQUIT\r\n")?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        let bytes = text
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        Ok(bytes.context("Redis does not tell its memory")?.parse()?)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
