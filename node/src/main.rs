//! The storage node's command line.

fn main() -> std::process::ExitCode {
    storage_node::commands::main()
}
