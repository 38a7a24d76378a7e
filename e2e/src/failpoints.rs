//! The named fail points that the program under test has, by the make that passes them.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{Make, binaries};

/// Every point, in the order in which operations pass them.
///
/// # Errors
/// When the program was not built, or knows too few.
pub fn all() -> Result<Vec<String>> {
    let binary = binaries::find(binaries::NODE_WITH_FAILPOINTS)?;
    let output = Command::new(&binary).arg("failpoints").output()?;
    ensure!(output.status.success(), "`{} failpoints` ended with {}", binary.display(), output.status);
    let points: Vec<String> = String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect();
    for operation in ["upload.", "update.", "delete.", "mode.", "gc.", "takeover.", "settle.", "local.", "s3."] {
        ensure!(points.iter().any(|point| point.starts_with(operation)), "no fail point of {operation}: {points:?}");
    }
    Ok(points)
}

/// The points that a make passes.
///
/// # Errors
/// As [`all`].
pub fn of(make: Make) -> Result<Vec<String>> {
    let others: &[&str] = if make.is_local() { &["s3."] } else { &["local.", "element_file."] };
    Ok(all()?.into_iter().filter(|point| !others.iter().any(|other| point.starts_with(other))).collect())
}

/// The points that an upload passes.
///
/// # Errors
/// As [`all`].
pub fn of_upload(make: Make) -> Result<Vec<String>> {
    let mut points = of(make)?;
    if make.is_local() {
        // Theirs come first.
        let last = points.iter().position(|point| point == "upload.after_commit").unwrap_or_default();
        points.truncate(last + 1);
    } else {
        points.retain(|point| point.starts_with("upload.") || (point.starts_with("s3.") && !point.contains("replace")));
    }
    ensure!(points.iter().any(|point| point == "upload.before_intent"), "no upload.before_intent: {points:?}");
    Ok(points)
}
