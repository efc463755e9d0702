//! What finds sessions with their users.

/// What finds sessions with their users.
pub(in super::super) struct Found {
    pub(super) columns: String,
    pub(super) rows: String,
    /// Which session is that of the id `$1`, and which are those of the ids in the array `$1`.
    pub(super) is_first: String,
    pub(super) is_among_first: String,
}

impl Found {
    /// A statement that finds a session by its id `$1`. Its last columns are these. One row comes back in any
    /// case, which tells them.
    pub(in super::super) fn one(&self, last: &str) -> String {
        self.by(&self.is_first, last)
    }

    /// As [`one`](Self::one), for the ids in the array `$1`.
    pub(in super::super) fn several(&self, last: &str) -> String {
        self.by(&self.is_among_first, last)
    }

    fn by(&self, condition: &str, last: &str) -> String {
        let Self { columns, rows, .. } = self;
        format!("SELECT {columns}, {last} FROM (SELECT) AS one LEFT JOIN ({rows}) ON {condition}")
    }
}
