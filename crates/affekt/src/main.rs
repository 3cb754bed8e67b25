//! The `affekt` command.
fn main() {}
