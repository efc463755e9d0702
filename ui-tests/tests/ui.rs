//! What the attributes accept, and what they say when they do not.
//!
//! One mistake a file in `fail/`, with what the compiler says beside it; after a change to a message,
//! `TRYBUILD=overwrite cargo test -p lucia-ui-tests` writes it anew, and a reader judges it.

#[test]
fn what_a_handler_can_be_compiles() {
    trybuild::TestCases::new().pass("pass/*.rs");
}

#[test]
fn r55_what_a_handler_cannot_be_is_one_message_that_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
