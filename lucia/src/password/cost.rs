//! What it takes to verify a hash, so that a known user is not refused sooner than an unknown one.

/// The work of verifying one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cost {
    kind: Kind,
    memory_kib: u32,
    /// What Argon2 goes over in the same time, about. For the other kinds this was measured on
    /// x86-64 at memory that a cache holds, where Argon2 is at its fastest.
    work_kib: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Argon2,
    #[cfg(feature = "legacy-hashes")]
    Scrypt,
    #[cfg(feature = "legacy-hashes")]
    Bcrypt,
}

impl Cost {
    pub(super) fn argon2(memory_kib: u32, iterations: u32) -> Self {
        Self {
            kind: Kind::Argon2,
            memory_kib,
            work_kib: u64::from(memory_kib) * u64::from(iterations),
        }
    }

    /// N=16384, p=1.
    #[cfg(feature = "legacy-hashes")]
    pub(super) fn scrypt(block_size: u32) -> Self {
        Self {
            kind: Kind::Scrypt,
            memory_kib: 2048 * block_size,
            work_kib: 6144 * u64::from(block_size),
        }
    }

    #[cfg(feature = "legacy-hashes")]
    pub(super) fn bcrypt(cost: u32) -> Self {
        Self {
            kind: Kind::Bcrypt,
            memory_kib: 4,
            work_kib: 96 << cost,
        }
    }

    /// Whether this work surely takes as long as that of `other`. Kinds compare differently on
    /// each machine, and less memory is gone over faster: there it has to be twice as much.
    pub(super) fn covers(self, other: Self) -> bool {
        let alike = self.kind == other.kind && self.memory_kib >= other.memory_kib;
        self.work_kib >= other.work_kib * if alike { 1 } else { 2 }
    }
}

#[cfg(test)]
mod tests;
