//! The application's own columns: of which types they can be, what is said when they do not fit,
//! and how tables may be called.

mod names;
