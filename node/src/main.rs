//! The storage node with fail points compiled in: only tests build it.

fn main() {}
