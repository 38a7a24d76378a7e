//! Named points at which a test can kill, stop, delay or fail the process. They cost nothing in the shipped binary:
//! only the feature `failpoints`, which tests build, compiles them in.
//!
//! A test names them in the environment: `FAILPOINTS="upload.after_intent=1*return(abort)"`. Beside what the `fail`
//! crate does by itself (`sleep(ms)`, `off`, counts), `return` takes `abort` (SIGKILL to itself: no destructor, no
//! flush), `error` (an I/O error at this point), `full` (no space), `stop` (SIGSTOP to itself).

use std::io;

/// Every point, in the order in which operations pass them.
pub const NAMES: &[&str] = &[
    "local.before_write_data",
    "local.after_write_data",
    "local.after_write_attr",
    "local.before_sync_data",
    "local.after_sync_data",
    "local.after_sync_attr",
    "upload.before_intent",
    "upload.after_intent",
    "local.before_rename_data",
    "local.after_rename_data",
    "local.after_rename_attr",
    "local.after_sync_folder",
    "upload.before_commit",
    "upload.after_commit",
    "local.before_stage_attr",
    "local.before_sync_staged_attr",
    "local.after_stage_attr",
    "update.before_intent",
    "update.after_intent",
    "local.before_replace_attr",
    "local.after_replace_attr",
    "local.after_sync_replaced_attr",
    "update.before_commit",
    "update.after_commit",
    "delete.before_intent",
    "delete.after_intent",
    "delete.before_commit",
    "delete.after_commit",
    "gc.after_remove_data",
    "s3.before_last_data",
    "s3.after_data",
    "s3.before_put_attr",
    "s3.after_put_attr",
    "s3.before_replace_attr",
    "s3.after_replace_attr",
    "mode.before_report",
    "mode.before_element_file",
    "mode.after_element_file",
    "mode.before_row",
    "mode.after_row",
    "takeover.before_epoch",
    "takeover.after_epoch",
    "local.before_end_terms",
    "local.after_rename_dead",
    "local.after_move_to_trash",
    "local.before_own_staging",
    "local.after_own_staging",
    "element_file.before_sync",
    "element_file.before_rename",
    "element_file.after_rename",
    "element_file.after_sync_folder",
    "takeover.after_element_file",
    "settle.before_make_durable",
    "settle.before_commit",
    "settle.before_unstage",
    "settle.before_remove_data",
    "settle.before_roll_back",
    "settle.after_roll_back",
    "takeover.after_settling",
    "takeover.after_empty_trash",
];

/// Passes the point `name`.
///
/// # Errors
/// Only what a test asked for.
#[inline]
pub fn hit(name: &'static str) -> io::Result<()> {
    #[cfg(feature = "failpoints")]
    return pass(name);
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = name;
        Ok(())
    }
}

#[cfg(feature = "failpoints")]
fn pass(name: &'static str) -> io::Result<()> {
    use tokio::runtime::{Handle, RuntimeFlavor};
    debug_assert!(NAMES.contains(&name), "fail point {name} is not in NAMES");
    let evaluate = || {
        fail::fail_point!(name, |argument| act(name, argument.as_deref().unwrap_or_default()));
        Ok(())
    };
    // One that sleeps must hold up its own operation only, not what waits for the same worker.
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(evaluate),
        _ => evaluate(),
    }
}

#[cfg(feature = "failpoints")]
fn act(name: &str, argument: &str) -> io::Result<()> {
    use rustix::process::{Signal, getpid, kill_process};
    match argument {
        "abort" => {
            let _ = kill_process(getpid(), Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        "stop" => {
            let _ = kill_process(getpid(), Signal::STOP);
            Ok(())
        }
        "full" => Err(io::Error::from(io::ErrorKind::StorageFull)),
        _ => {
            // What comes of an error is not always told; that it was met has to be.
            tracing::warn!("injected at {name}");
            Err(io::Error::other(format!("injected at {name}")))
        }
    }
}
