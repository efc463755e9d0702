//! How many bare hashes this machine makes.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::usage::own_time;

/// lucia's default, which is the least that it takes.
const MEMORY_KIB: u32 = 19 * 1024;
const ITERATIONS: u32 = 2;
const LANES: u32 = 1;

/// What came of it.
pub(super) struct Hashes {
    pub(super) per_second: f64,
    /// The processor time of one.
    pub(super) each: Duration,
}

/// Makes hashes on a thread for each core for so long. Each thread keeps its memory.
pub(super) fn on_all_cores(time: Duration) -> Result<Hashes> {
    let cores = std::thread::available_parallelism()?.get();
    let used = own_time()?;
    let begin = Instant::now();
    let end = begin + time;
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(|| until(end))).collect();
        let made = threads.into_iter().map(|thread| {
            let made = thread.join().map_err(|_| anyhow!("a thread panicked"))?;
            Ok(made?)
        });
        made.sum::<Result<u32>>()
    })?;
    Ok(Hashes {
        per_second: f64::from(made) / begin.elapsed().as_secs_f64(),
        each: own_time()?.saturating_sub(used) / made,
    })
}

/// At least one.
fn until(end: Instant) -> argon2::Result<u32> {
    let params = Params::new(MEMORY_KIB, ITERATIONS, LANES, None)?;
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut made = 0;
    loop {
        let mut hash = [0; 32];
        argon2.hash_password_into_with_memory(
            b"a password",
            b"sixteen bytes !!",
            &mut hash,
            &mut memory,
        )?;
        made += 1;
        if Instant::now() > end {
            return Ok(made);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hash_for_each_core_is_made_however_short_the_time() {
        let hashes = on_all_cores(Duration::ZERO).unwrap();
        assert!(hashes.per_second > 0.0);
        assert!(hashes.each > Duration::ZERO);
    }
}
