//! [`ConstraintViolation`]: a write broke a rule of a table.

use super::place;

/// A constraint of your table that a write broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("{kind} {} {}{}", kind.preposition(), place(table, column.as_deref()), named(constraint.as_deref()))]
pub struct ConstraintViolation {
    /// The kind of constraint.
    pub kind: ConstraintKind,
    /// The table.
    pub table: String,
    /// The column, if the database reports it.
    pub column: Option<String>,
    /// The name of the constraint, if it has one.
    pub constraint: Option<String>,
}

impl ConstraintViolation {
    /// A constraint of `kind` in `table` was broken.
    #[must_use]
    pub fn new(kind: ConstraintKind, table: impl Into<String>) -> Self {
        Self {
            kind,
            table: table.into(),
            column: None,
            constraint: None,
        }
    }

    /// Sets the column at fault.
    #[must_use]
    pub fn column(mut self, column: Option<String>) -> Self {
        self.column = column;
        self
    }

    /// Sets the name of the broken constraint.
    #[must_use]
    pub fn constraint(mut self, constraint: Option<String>) -> Self {
        self.constraint = constraint;
        self
    }
}

/// The kinds of constraints that a table can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintKind {
    /// Another row already has this value.
    #[error("a value is taken")]
    Unique,
    /// The column has to have a value.
    #[error("a value is missing")]
    NotNull,
    /// A `CHECK` failed.
    #[error("a check failed")]
    Check,
    /// The value refers to a row that does not exist.
    #[error("a reference leads nowhere")]
    ForeignKey,
    /// A row that is to be deleted, or to get another id, is still referenced. The table, column and
    /// constraint are those of the reference. Declare the reference `ON DELETE CASCADE` or
    /// `ON DELETE SET NULL`, or delete the referring row first.
    #[error("the row is still referenced")]
    Referenced,
    /// Any other constraint.
    #[error("a rule was broken")]
    Other,
}

impl ConstraintKind {
    fn preposition(self) -> &'static str {
        match self {
            Self::Referenced => "by",
            _ => "in",
        }
    }
}

fn named(constraint: Option<&str>) -> String {
    constraint
        .map(|name| format!(" (`{name}`)"))
        .unwrap_or_default()
}
