//! What a fail point is passed in, and so what a master has to be at when it stops there.

use anyhow::{Context, Result, ensure};
use storage_element_e2e::{Content, Ledger, Make, Replicas, Setup, Upload, leave_unsettled};

/// What the master is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A takeover.
    Start,
    /// A takeover that finds something to settle.
    Settling,
    /// Uploads, changes, holds and deletions.
    Work,
    /// A collection of what was deleted.
    Collection,
    /// A change of mode.
    ModeChange,
}

impl Scene {
    pub fn of(point: &str) -> Self {
        let is = |starts: &[&str]| starts.iter().any(|start| point.starts_with(start));
        if is(&["settle.", "local.after_rename_dead", "local.after_move_to_trash"]) {
            Self::Settling
        } else if is(&["takeover.", "element_file.", "local.before_end_terms", "local.before_own", "local.after_own"]) {
            Self::Start
        } else if is(&["gc."]) {
            Self::Collection
        } else if is(&["mode."]) {
            Self::ModeChange
        } else {
            Self::Work
        }
    }

    /// Passed before a node is open for writes.
    pub fn is_a_start(self) -> bool {
        matches!(self, Self::Start | Self::Settling)
    }

    pub fn setup(self, setup: Setup) -> Setup {
        // Only there a mode can change, and only elsewhere files can be deleted.
        let mode = if self == Self::ModeChange { "rw" } else { "edit" };
        setup.with_failpoints().setting("element.mode", mode).setting("retention.deleted_grace_hours", 0)
    }

    /// What was there before the master came that stops itself; the first node does not run afterwards.
    pub async fn history(self, replicas: &mut Replicas, make: Make, ledger: &mut Ledger) -> Result<()> {
        if !matches!(self, Self::Settling | Self::ModeChange) {
            return Ok(());
        }
        replicas.nodes[0].spawn()?;
        ensure!(replicas.master().await? == 0, "the first node is master");
        let client = replicas.nodes[0].client("user")?;
        for label in ["kept", "to-change", "to-delete"] {
            let upload = Upload::new(format!("{label}.txt"), Content::bytes(label.repeat(50)));
            ledger.upload(&client, label, upload).await?.context("no answer")?.expect(201)?;
        }
        tokio::task::block_in_place(|| replicas.nodes[0].stop())?;
        if self == Self::Settling {
            leave_unsettled(&mut replicas.nodes[0], make, ledger).await?;
        }
        Ok(())
    }
}
