//! At every named step of upload, update, delete and takeover the process aborts, or the step returns an error; each
//! time everything that was acknowledged is there, everything else is whole or absent, and nothing is left behind.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use storage_element_e2e::{
    Answer, Content, Ledger, Make, Node, Started, Upload, change_mode, check, failpoints, leave_unsettled,
    on_every_make, put_mode,
};

/// `abort` kills the process from inside, so that nothing of it runs any more.
const SIGKILL: i32 = 9;
/// Nodes at a time: most of the time they wait for a disk or for the settler.
const LANES: usize = 4;
/// An error at these points of the catalog or the volume is an outage: writes return with the settler at the latest.
const RETURN_PATIENCE: Duration = Duration::from_secs(25);
/// Said when a case has not come to its point.
const NOT_MET: &str = "the point was never reached";

/// What happens at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Abort,
    Error,
}

fn every_fail_point_loses_nothing(make: Make) -> Result<()> {
    let cases = cases(make)?;
    let (queue, failed) = (Mutex::new(VecDeque::from(cases.clone())), Mutex::new(Vec::new()));
    let next = || queue.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some((point, action)) = next() {
                    let act = || match action {
                        Action::Abort => abort_at(make, &point),
                        Action::Error => error_at(make, &point),
                    };
                    // On a busy machine what a start should settle may not be there yet when the node is killed.
                    let again = |error: &anyhow::Error| format!("{error:#}").contains(NOT_MET);
                    let happened = act().or_else(|error| if again(&error) { act() } else { Err(error) });
                    if let Err(error) = happened
                        && let Ok(mut failed) = failed.lock()
                    {
                        println!("{make:?}, {point}, {action:?}: {error:#}");
                        failed.push(format!("{point}, {action:?}: {error:?}"));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_default();
    ensure!(failed.is_empty(), "{make:?}, {} of {} fail points:\n{}", failed.len(), cases.len(), failed.join("\n\n"));
    println!("{make:?}: {} cases", cases.len());
    Ok(())
}

/// Every point that the make passes. Of abort and error each gets one here and the other on the make with the same
/// storage and the other catalog; with `SE_CRASH=all` each gets both everywhere, with `SE_CRASH_POINT=settle.before_commit`
/// that one.
fn cases(make: Make) -> Result<Vec<(String, Action)>> {
    let only = std::env::var("SE_CRASH_POINT").ok();
    let known = failpoints::all()?;
    ensure!(only.as_ref().is_none_or(|only| known.contains(only)), "there is no point {only:?}: {known:?}");
    let all = only.is_some() || std::env::var("SE_CRASH").is_ok_and(|wish| wish == "all");
    let mut cases = Vec::new();
    for (number, point) in failpoints::of(make)?.into_iter().enumerate() {
        if only.as_ref().is_some_and(|only| *only != point) {
            continue;
        }
        let (one, other) = if number.is_multiple_of(2) == make.is_sqlite() {
            (Action::Abort, Action::Error)
        } else {
            (Action::Error, Action::Abort)
        };
        cases.extend(all.then(|| (point.clone(), other)));
        cases.push((point, one));
    }
    Ok(cases)
}

fn abort_at(make: Make, point: &str) -> Result<()> {
    let mut case = Case::begin(make, point)?;
    case.node.set_env("FAILPOINTS", &format!("{point}=1*return(abort)"));
    let mut died = match case.node.try_start()? {
        Started::Exited(status) => Some(status),
        Started::Ready => {
            case.operate()?;
            case.node.wait(Duration::from_secs(1))?
        }
    };
    if died.is_none() {
        // Steps of an orderly end.
        case.node.signal(rustix::process::Signal::TERM)?;
        died = case.node.wait(Duration::from_secs(20))?;
    }
    let died = died.context("the node neither reached the point nor ended")?;
    ensure!(died.signal() == Some(SIGKILL), "{NOT_MET}: the node ended with {died}");
    case.node.unset_env("FAILPOINTS");
    case.node.start()?;
    case.can_be_done_again()?;
    case.run(|node, ledger| Box::pin(check::everything(node, ledger)))
}

fn error_at(make: Make, point: &str) -> Result<()> {
    let mut case = Case::begin(make, point)?;
    case.node.set_env("FAILPOINTS", &format!("{point}=1*return(error)"));
    match case.node.try_start()? {
        // A takeover that cannot be done ends the process with a sentence; the next start does it.
        Started::Exited(status) => {
            ensure!(status.code().is_some_and(|code| code != 0), "an error at the start ended with {status}");
            case.node.unset_env("FAILPOINTS");
            case.node.start()?;
        }
        Started::Ready => {
            case.operate()?;
            ensure!(case.node.is_running()?, "an error ended the node:\n{}", case.node.log_tail());
            ensure!(case.node.log().contains(&format!("injected at {point}")), "{NOT_MET}");
            case.node.unset_env("FAILPOINTS");
        }
    }
    if !case.changes_mode() {
        case.writes_return()?;
    }
    case.can_be_done_again()?;
    case.run(|node, ledger| Box::pin(check::everything(node, ledger)))
}

/// A node with a history, and a runtime for its clients.
struct Case {
    make: Make,
    point: String,
    node: Node,
    ledger: Ledger,
    runtime: tokio::runtime::Runtime,
}

type Checked<'a> = std::pin::Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

impl Case {
    /// A node with files to change and to delete. For points that a start passes it has been killed before,
    /// so that its next start finds something to settle.
    fn begin(make: Make, point: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // Only there a mode can change, and only elsewhere files can be deleted.
        let mode = if point.starts_with("mode.") { "rw" } else { "edit" };
        let setup = make.setup().with_failpoints().setting("element.mode", mode);
        let node = setup.setting("retention.deleted_grace_hours", 0).start()?;
        let mut case = Self { make, point: point.to_owned(), node, ledger: Ledger::new(), runtime };
        for label in ["kept", "to-change", "to-delete"] {
            case.upload(label)?.context("no answer")?.expect(201)?;
        }
        if ["takeover.", "settle.", "element_file.", "local."].iter().any(|kind| point.starts_with(kind)) {
            case.leave_unsettled()?;
        } else {
            case.node.stop()?;
        }
        Ok(case)
    }

    fn leave_unsettled(&mut self) -> Result<()> {
        self.node.stop()?;
        self.runtime.block_on(leave_unsettled(&mut self.node, self.make, &mut self.ledger))
    }

    fn changes_mode(&self) -> bool {
        self.point.starts_with("mode.")
    }

    /// An upload, a change and a deletion, and what the point is named for, until the node is gone.
    fn operate(&mut self) -> Result<()> {
        if self.changes_mode() {
            return self.change_mode().map(drop);
        }
        self.upload("new")?;
        let (user, operator) = (self.node.client("user")?, self.node.client("operator")?);
        if self.node.is_running()? {
            self.runtime.block_on(self.ledger.describe(&user, "to-change", "changed"))?;
        }
        if self.node.is_running()? {
            self.runtime.block_on(self.ledger.delete(&operator, "to-delete"))?;
        }
        if self.point.starts_with("gc.") {
            self.collect_garbage()?;
        }
        Ok(())
    }

    /// A change of mode or a collection that was broken off is done when it is asked for once more.
    fn can_be_done_again(&mut self) -> Result<()> {
        if self.changes_mode() {
            let answer = self.change_mode()?.context("no answer to the mode change")?.expect(200)?;
            ensure!(answer.json()?["mode"] == "ro", "the mode did not change: {answer}");
        }
        if self.point.starts_with("gc.") {
            let job = self.collect_garbage()?.context("no answer to the collection")?;
            ensure!(job["state"] == "succeeded", "the collection ended with {job}");
        }
        Ok(())
    }

    /// A step to `ro`; `None` when the node is gone.
    fn change_mode(&self) -> Result<Option<Answer>> {
        let admin = self.node.client("admin")?;
        self.runtime.block_on(change_mode(async |wish| put_mode(&admin, wish).await, "ro", 1))
    }

    /// Starts a collection and waits for its end; `None` when the node is gone.
    fn collect_garbage(&self) -> Result<Option<serde_json::Value>> {
        let (admin, begun) = (self.node.client("admin")?, Instant::now());
        self.runtime.block_on(async {
            let Ok(started) = admin.send_json("POST", "/api/v1/admin/gc", &serde_json::json!({})).await else {
                return Ok(None);
            };
            let location = started.expect(202)?.header("location").context("no job's address")?.to_owned();
            loop {
                let Ok(job) = admin.get(&location).await else { return Ok(None) };
                let job = job.expect(200)?.json()?;
                if job["state"] != "running" {
                    return Ok(Some(job));
                }
                ensure!(begun.elapsed() < RETURN_PATIENCE, "the collection does not end: {job}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    }

    /// The next write is taken: at once, or when the outage is over, or after a restart if the volume's state is not
    /// known any more (an fsync that failed), in which case the node has to say so.
    fn writes_return(&mut self) -> Result<()> {
        let begun = Instant::now();
        for attempt in 0.. {
            let answer = self.upload(&format!("next-{attempt}"))?.context("no answer to the next write")?;
            if answer.status == 201 {
                return Ok(());
            }
            ensure!(answer.status == 503, "the next write was answered {answer}");
            if answer.code() == "STORAGE_UNAVAILABLE" && !self.node.is_ready() {
                self.node.stop()?;
                self.node.start()?;
            }
            ensure!(begun.elapsed() < RETURN_PATIENCE, "writes do not return: {answer}");
            std::thread::sleep(Duration::from_millis(500));
        }
        bail!("unreachable: the loop ends by itself")
    }

    fn upload(&mut self, label: &str) -> Result<Option<Answer>> {
        let (client, upload) = (self.node.client("user")?, Self::file(label));
        self.runtime.block_on(self.ledger.upload(&client, label, upload))
    }

    fn file(label: &str) -> Upload {
        Upload::new(format!("{label}.txt"), Content::bytes(label.repeat(50)))
    }

    fn run<'a>(&'a mut self, check: impl FnOnce(&'a mut Node, &'a Ledger) -> Checked<'a>) -> Result<()> {
        self.runtime.block_on(check(&mut self.node, &self.ledger))
    }
}

on_every_make!(blocking: every_fail_point_loses_nothing);
