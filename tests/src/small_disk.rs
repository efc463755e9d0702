//! A disk that has no room left.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::postgres::{Owner, command_as};

/// Mounts a filesystem of a size where nobody else sees it, and keeps it until the pipe ends that only we hold open.
/// Whoever is not known there, as root is, cannot make files in it.
const MOUNT: &str = r#"
mount -t tmpfs -o "size=$1,mode=0777" tmpfs /tmp || exit
echo done
while read -r command; do
    case $command in
    fill) cat /dev/zero >/tmp/filler 2>/dev/null ;;
    free) rm /tmp/filler ;;
    esac
    echo done
done
"#;

/// A filesystem of its own, in memory, which is gone when this is dropped or the process ends. Programs reach it by
/// [`path`](Self::path), those that resolve symbolic links themselves excepted, as SQLite does.
#[derive(Debug)]
pub struct SmallDisk {
    holder: Mutex<(Child, BufReader<ChildStdout>)>,
    path: PathBuf,
}

impl SmallDisk {
    /// One of so many mebibytes. `None` where the kernel lets nobody mount any.
    #[must_use]
    pub fn mount(mebibytes: u32) -> Option<Self> {
        // Postgres does not run as root, and reaches only what is of its own account.
        let directory = tempfile::tempdir().ok()?;
        let owner = Owner::unprivileged(directory.path()).ok()?;
        let mut holder = command_as(owner, Path::new("unshare"))
            .args(["--user", "--map-root-user", "--mount"])
            .args(["/bin/sh", "-c", MOUNT, "mount"])
            .arg(format!("{mebibytes}m"))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let path = format!("/proc/{}/root/tmp", holder.id()).into();
        let answers = BufReader::new(holder.stdout.take()?);
        let disk = Self {
            holder: Mutex::new((holder, answers)),
            path,
        };
        disk.is_answered().then_some(disk)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves no room.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn fill(&self) {
        self.ask("fill");
    }

    /// Makes room again.
    ///
    /// # Panics
    ///
    /// When it is gone.
    pub fn free(&self) {
        self.ask("free");
    }

    fn ask(&self, command: &str) {
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = holder.0.stdin.as_mut().expect("a pipe");
        writeln!(pipe, "{command}").expect("the shell reads");
        drop(holder);
        assert!(self.is_answered(), "the shell answers");
    }

    fn is_answered(&self) -> bool {
        let mut holder = self.holder.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = String::new();
        holder.1.read_line(&mut answer).is_ok() && answer == "done\n"
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let holder = self
            .holder
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        drop(holder.0.stdin.take());
        let _ = holder.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::SmallDisk;
    use crate::skip;

    #[test]
    fn a_disk_is_full_until_it_is_freed() {
        let Some(disk) = SmallDisk::mount(1) else {
            return skip(
                "a_disk_is_full_until_it_is_freed",
                "nobody may mount a filesystem here",
            );
        };
        assert!(disk.path().is_dir());
        disk.fill();
        let filler = disk.path().join("filler");
        assert_eq!(filler.metadata().expect("it is there").len(), 1 << 20);
        disk.free();
        let missing = filler.metadata().expect_err("it is gone");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
