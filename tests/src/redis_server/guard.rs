//! The process of a Redis. A shell starts it. When the pipe ends that only we hold open, the shell kills it and
//! deletes its directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = r#"
redis-server "$@" >log 2>&1 &
server=$!
echo $server
read -r keeps_directory
{
    kill -KILL $server
    wait $server
} 2>/dev/null
[ -n "$keeps_directory" ] || rm -rf "$PWD"
"#;

#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    server: String,
}

pub(super) fn is_installed() -> bool {
    let mut command = Command::new("redis-server");
    let command = command.arg("--version").stdout(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

impl Guard {
    /// Starts a server in a directory.
    pub(super) fn start(port: u16, directory: &Path, settings: &[String]) -> Self {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guard", "--bind", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .args(settings)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for us; the shell learns from the pipe that we are gone.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let mut server = String::new();
        let pipe = shell.stdout.take().expect("a pipe");
        let mut pipe = BufReader::new(pipe);
        pipe.read_line(&mut server).expect("a process id");
        Self {
            shell,
            server: server.trim().to_owned(),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.server));
        status.map_or(true, |status| status.contains(") Z "))
    }

    pub(super) fn signal(&self, signal: &str) {
        let mut kill = Command::new("kill");
        let sent = kill.args([&format!("-{signal}"), &self.server]).status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "the signal is sent"
        );
    }

    /// Kills the server, and keeps its directory.
    pub(super) fn kill(&mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            let _ = writeln!(pipe, "keep");
        }
        let _ = self.shell.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
