//! The benchmark: the node beside what a user would pick instead, in one run on one machine, with the physical limit
//! measured beside. Prints a table and writes JSON.
//!
//! `bench [--smoke] [--json FILE]`; `--smoke` only proves that everything runs.

mod disk;
mod floor;
mod large;
mod load;
mod nginx;
mod plan;
mod report;
mod small_reads;
mod small_uploads;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use storage_element_e2e::Setup;

use plan::Plan;
use report::Report;

fn main() -> Result<()> {
    let (plan, json) = arguments()?;
    // Not /tmp, which may be memory: the disk that holds the build is a real one.
    let beside = std::env::current_exe()?.parent().context("the benchmark has no folder")?.to_owned();
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(beside)?;
    let nginx = nginx::Nginx::start(folder.path())?;
    let mut node = Setup::new().below(folder.path()).setting("logging.level", "info").start()?;
    node.keep_log_to_itself();
    let mut report = Report::new(plan.name);

    report.note("node, idle: RSS", node.memory_kib("VmRSS")?.div_ceil(1024), "MiB (bar: 40)");
    small_uploads::run(&plan, &node, folder.path(), &mut report)?;
    large::run(&plan, &node, &nginx, folder.path(), &mut report)?;
    small_reads::run(&plan, &node, &nginx, &mut report)?;
    report.note("node, after all of it: peak RSS", node.memory_kib("VmHWM")?.div_ceil(1024), "MiB");

    println!("{report}");
    report.write(&json).with_context(|| json.display().to_string())?;
    println!("written to {}", json.display());
    Ok(())
}

fn arguments() -> Result<(Plan, PathBuf)> {
    let (mut plan, mut json) = (Plan::full(), PathBuf::from("target/bench.json"));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--smoke" => plan = Plan::smoke(),
            "--json" => json = arguments.next().context("--json needs a file")?.into(),
            other => bail!("unknown argument {other}; usage: bench [--smoke] [--json FILE]"),
        }
    }
    Ok((plan, json))
}
