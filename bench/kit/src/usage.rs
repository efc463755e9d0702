//! What processes have used, read from `/proc`.

use std::collections::HashMap;
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, Result};
use procfs::process::{Process, Stat, all_processes};

/// The processes to watch, each with all below it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pub(crate) server: u32,
    pub(crate) postgres: u32,
    pub(crate) redis: Option<u32>,
}

/// The processor time that each has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) server: Duration,
    pub(crate) postgres: Duration,
    pub(crate) redis: Duration,
    pub(crate) kit: Duration,
}

impl Watched {
    pub(crate) fn usage(&self) -> Result<Usage> {
        let processes = Processes::now()?;
        Ok(Usage {
            server: processes.time(self.server),
            postgres: processes.time(self.postgres),
            redis: self.redis.map_or(Duration::ZERO, |pid| processes.time(pid)),
            kit: processes.own_time(),
        })
    }

    /// The memory that the server has now, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in Processes::now()?.tree(self.server) {
            let status = Process::new(pid)?.status()?;
            sum += status.vmrss.context("a process without memory")? * 1024;
        }
        Ok(sum)
    }

    /// The processor time of those threads of the server whose names do not begin so. Of one that has ended it
    /// is not known.
    pub(crate) fn time_of_threads_except(&self, prefix: &str) -> Result<Duration> {
        let mut sum = 0;
        for task in Process::new(i32::try_from(self.server)?)?.tasks()? {
            // One that has just ended is none.
            if let Ok(stat) = task.and_then(|task| task.stat())
                && !stat.comm.starts_with(prefix)
            {
                sum += stat.utime + stat.stime;
            }
        }
        Ok(ticks(sum))
    }

    /// The most memory that the server has had at once so far, in bytes. With several processes it
    /// is the sum of what each has had.
    pub(crate) fn peak_memory(&self) -> Result<u64> {
        let mut sum = 0;
        for pid in Processes::now()?.tree(self.server) {
            let status = Process::new(pid)?.status()?;
            sum += status.vmhwm.context("a process without memory")? * 1024;
        }
        Ok(sum)
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            server: self.server.saturating_sub(before.server),
            postgres: self.postgres.saturating_sub(before.postgres),
            redis: self.redis.saturating_sub(before.redis),
            kit: self.kit.saturating_sub(before.kit),
        }
    }
}

/// The processor time of this process, without those that it has started.
pub(crate) fn own_time() -> Result<Duration> {
    let stat = Process::myself()?.stat()?;
    Ok(ticks(stat.utime + stat.stime))
}

/// The process that `pid` was started by.
pub(crate) fn parent(pid: i32) -> Result<u32> {
    let parent = Process::new(pid)?.stat()?.ppid;
    u32::try_from(parent).context("a process without a parent")
}

struct Processes(HashMap<i32, Stat>);

impl Processes {
    fn now() -> Result<Self> {
        // One that has ended in between is none.
        let stats = all_processes()?.filter_map(|process| process.ok()?.stat().ok());
        Ok(Self(stats.map(|stat| (stat.pid, stat)).collect()))
    }

    /// The time of a process and of all below it. What one that has ended had used is in its
    /// parent's.
    fn time(&self, root: u32) -> Duration {
        let of = |stat: &Stat| {
            let waited_for = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
            stat.utime + stat.stime + waited_for
        };
        ticks(self.tree(root).iter().map(|pid| of(&self.0[pid])).sum())
    }

    /// Without the processes that it has started.
    fn own_time(&self) -> Duration {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        let of = |stat: &Stat| stat.utime + stat.stime;
        ticks(self.0.get(&own).map_or(0, of))
    }

    fn tree(&self, root: u32) -> Vec<i32> {
        let mut tree: Vec<_> = i32::try_from(root).into_iter().collect();
        tree.retain(|pid| self.0.contains_key(pid));
        let mut next = 0;
        while next < tree.len() {
            let children = self.0.values().filter(|stat| stat.ppid == tree[next]);
            tree.extend(children.map(|stat| stat.pid).collect::<Vec<_>>());
            next += 1;
        }
        tree
    }
}

fn ticks(ticks: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "they are few")]
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}
