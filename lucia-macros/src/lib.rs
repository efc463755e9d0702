//! The attributes of `lucia`.
