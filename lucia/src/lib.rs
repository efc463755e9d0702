//! lucia
