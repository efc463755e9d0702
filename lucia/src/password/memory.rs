//! The memory that Argon2 works in, kept from one hash for the next.
//!
//! An allocator need not give back what a thread has freed. Where each hash allocates its 19 MiB,
//! glibc keeps them for each thread that has ever hashed, and those are many: what is bounded is
//! how many hash at once.

use std::sync::{Mutex, PoisonError};

use argon2::{Block, Error, Result};

/// glibc takes more than 32 MiB from the system, and gives them back when they are freed. Room that
/// is asked for and not touched takes no memory.
const GIVEN_BACK: usize = 33 * 1024;

/// The memory that is not in use.
///
/// A hash in progress has a place to run, so that there is never more than one for each place. The
/// last one that came back goes out first: those that only a flood needed are not touched again.
pub(super) struct Pool {
    idle: Mutex<Vec<Memory>>,
    length: usize,
}

/// Room for one hash.
pub(super) struct Memory {
    /// Empty until it is needed.
    blocks: Vec<Block>,
    length: usize,
}

impl Pool {
    /// Of memories of `length` blocks, made when they are needed.
    pub(super) fn new(length: usize) -> Self {
        Self {
            idle: Mutex::default(),
            length,
        }
    }

    pub(super) fn take(&self) -> Memory {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        idle.unwrap_or(Memory {
            blocks: Vec::new(),
            length: self.length,
        })
    }

    pub(super) fn put_back(&self, memory: Memory) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(memory);
    }
}

impl Memory {
    /// Does `work` in `length` blocks. What they hold before does not matter to Argon2.
    ///
    /// The kept ones are wiped: from what Argon2 leaves in them, a reader of the memory of an idle
    /// process, or of its core dump, could try passwords at no cost, and they would be there until
    /// the next sign-in. It takes about a fortieth of the time of a hash. The password itself,
    /// which came through buffers that are not ours, is not wiped, and so is none of what was
    /// freed.
    pub(super) fn with<T>(
        &mut self,
        length: usize,
        work: impl FnOnce(&mut [Block]) -> Result<T>,
    ) -> Result<T> {
        if length > self.length {
            // Larger than the hashes of today: used once, and not kept.
            let mut blocks = Vec::new();
            reserve(&mut blocks, length.max(GIVEN_BACK))?;
            blocks.resize(length, Block::new());
            return work(&mut blocks);
        }
        if self.blocks.is_empty() {
            reserve(&mut self.blocks, self.length)?;
            self.blocks.resize(self.length, Block::new());
        }
        let blocks = &mut self.blocks[..length];
        let result = work(blocks);
        blocks.fill(Block::new());
        result
    }
}

fn reserve(blocks: &mut Vec<Block>, length: usize) -> Result<()> {
    let reserved = blocks.try_reserve_exact(length);
    reserved.map_err(|_| Error::OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(memory: &mut Memory, length: usize) -> Vec<u64> {
        let work = |blocks: &mut [Block]| {
            assert_eq!(blocks.len(), length);
            let before = blocks.iter().map(|block| block.as_ref()[0]).collect();
            for block in blocks {
                block.as_mut().fill(7);
            }
            Ok(before)
        };
        memory.with(length, work).unwrap()
    }

    #[test]
    fn r37_memory_is_made_once_and_comes_back_wiped() {
        let pool = Pool::new(8);
        let mut one = pool.take();
        assert!(one.blocks.is_empty());
        used(&mut one, 8);
        let place = one.blocks.as_ptr();
        pool.put_back(one);

        let mut again = pool.take();
        assert_eq!(again.blocks.as_ptr(), place);
        assert_eq!(used(&mut again, 5), [0; 5]);
        assert_eq!(used(&mut again, 8), [0; 8]);
        assert_eq!(again.blocks.as_ptr(), place);
    }

    #[test]
    fn r37_more_than_is_kept_is_not_kept() {
        let pool = Pool::new(8);
        let mut memory = pool.take();
        assert_eq!(used(&mut memory, 9), [0; 9]);
        assert!(memory.blocks.is_empty());
        used(&mut memory, 8);
        used(&mut memory, 100);
        assert_eq!(memory.blocks.capacity(), 8);
    }

    #[test]
    fn more_than_there_can_be_is_an_error() {
        let mut memory = Pool::new(8).take();
        let result = memory.with(usize::MAX / 4096, |_| Ok(()));
        assert_eq!(result, Err(Error::OutOfMemory));
    }
}
