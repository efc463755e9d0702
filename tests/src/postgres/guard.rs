//! Something that stays behind when we are killed, and clears up.
//!
//! A shell that reads commands from a pipe which only we hold open. When we end, however we end,
//! the pipe ends; then it stops the server and deletes its directory.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// `$1` is the directory to delete, the rest is the command that runs the server. That a server
/// has ended is told by a file, since a process that nobody waited for still looks alive.
const SCRIPT: &str = r#"
directory=$1
shift
runner=
run() {
    "$@" >>"$directory/log" 2>&1 &
    echo $! >"$directory/pid"
    cat "$directory/pid"
    wait $!
    : >"$directory/ended"
}
end() {
    if [ -n "$runner" ]; then
        kill "-$1" "$(cat "$directory/pid")" 2>/dev/null
        wait "$runner"
        runner=
    fi
}
while read -r command argument; do
    case $command in
    start)
        rm -f "$directory/ended"
        run "$@" &
        runner=$!
        ;;
    end)
        end "$argument"
        echo ended
        ;;
    esac
done
end QUIT
rm -rf "$directory"
"#;

/// Who runs the server: Postgres refuses to run as root.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Owner {
    /// Somebody without privileges, if we are root; nobody else than us otherwise.
    pub(crate) fn unprivileged(directory: &Path) -> Result<Option<Self>, String> {
        use std::os::unix::fs::MetadataExt;

        // We have just made the directory, so it is ours.
        let metadata = std::fs::metadata(directory).map_err(|error| error.to_string())?;
        if metadata.uid() != 0 {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| account(&accounts, name))
            .map(Some)
            .ok_or_else(|| {
                "Postgres does not run as root, and there is neither an account `postgres` nor \
                 `nobody`"
                    .to_owned()
            })
    }
}

fn account(accounts: &str, name: &str) -> Option<Owner> {
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Owner { uid, gid })
    })
}

/// `program`, run by `owner`.
pub(crate) fn command_as(owner: Option<Owner>, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Guard {
    /// A guard of `directory`, which can run `server`.
    pub(super) fn new(
        owner: Option<Owner>,
        directory: &Path,
        server: &[String],
    ) -> std::io::Result<Self> {
        let mut shell = command_as(owner, Path::new("/bin/sh"))
            .arg("-c")
            .arg(SCRIPT)
            .arg("guard")
            .arg(directory)
            .args(server)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for us; the guard learns from the pipe that we are gone.
            .process_group(0)
            .spawn()?;
        let missing = || std::io::Error::other("the guard has no pipe");
        Ok(Self {
            commands: Some(shell.stdin.take().ok_or_else(missing)?),
            answers: BufReader::new(shell.stdout.take().ok_or_else(missing)?),
            shell,
        })
    }

    /// Starts the server and returns its process id.
    pub(super) fn start(&mut self) -> std::io::Result<String> {
        self.ask("start")
    }

    /// Sends a signal to the server and waits for its end.
    pub(super) fn end(&mut self, signal: &str) -> std::io::Result<()> {
        self.ask(&format!("end {signal}")).map(drop)
    }

    fn ask(&mut self, command: &str) -> std::io::Result<String> {
        if let Some(commands) = &mut self.commands {
            writeln!(commands, "{command}")?;
            commands.flush()?;
        }
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.shell.wait();
    }
}
