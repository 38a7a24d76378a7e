//! The storage node with its fail points compiled in: only tests build it.

fn main() -> std::process::ExitCode {
    storage_node::commands::main()
}
