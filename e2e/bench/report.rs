//! The numbers of a run, as a table for people and JSON for programs.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// One comparison.
struct Row {
    work: String,
    unit: &'static str,
    node: f64,
    beside: &'static str,
    reference: f64,
    bar: Option<f64>,
}

/// All of a run.
pub struct Report {
    plan: &'static str,
    rows: Vec<Row>,
    notes: Vec<(String, u64, &'static str)>,
}

impl Report {
    pub fn new(plan: &'static str) -> Self {
        Self { plan, rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a comparison of medians: the node's and that of what stands beside it. `bar` is the ratio to reach.
    pub fn compare(
        &mut self,
        work: impl Into<String>,
        unit: &'static str,
        node: Vec<f64>,
        (beside, reference): (&'static str, Vec<f64>),
        bar: Option<f64>,
    ) {
        let row = Row { work: work.into(), unit, node: median(node), beside, reference: median(reference), bar };
        eprintln!("{}: {:.0} {unit}, {beside} {:.0}", row.work, row.node, row.reference);
        self.rows.push(row);
    }

    /// Adds a number that stands alone.
    pub fn note(&mut self, what: impl Into<String>, value: u64, unit: &'static str) {
        self.notes.push((what.into(), value, unit));
    }

    /// Writes the JSON.
    pub fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_vec_pretty(&self.json())?).context("the report could not be written")
    }

    fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "work": row.work, "unit": row.unit, "node": row.node, "beside": row.beside,
                "reference": row.reference, "ratio": row.ratio(), "bar": row.bar,
            })
        });
        let notes = self.notes.iter().map(|(what, value, unit)| json!({"what": what, "value": value, "unit": unit}));
        json!({
            "plan": self.plan,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "rows": rows.collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
        })
    }
}

impl Row {
    fn ratio(&self) -> f64 {
        self.node / self.reference
    }

    fn verdict(&self) -> &'static str {
        match self.bar {
            None => "",
            Some(bar) if self.ratio() >= bar => "reached",
            Some(_) => "not reached",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| work | unit | node | beside | reference | ratio | bar | |")?;
        writeln!(f, "|---|---|---:|---|---:|---:|---:|---|")?;
        for row in &self.rows {
            let bar = row.bar.map_or_else(String::new, |bar| format!("{bar:.2}"));
            writeln!(
                f,
                "| {} | {} | {:.0} | {} | {:.0} | {:.2} | {bar} | {} |",
                row.work,
                row.unit,
                row.node,
                row.beside,
                row.reference,
                row.ratio(),
                row.verdict()
            )?;
        }
        writeln!(f)?;
        for (what, value, unit) in &self.notes {
            writeln!(f, "- {what}: {value} {unit}")?;
        }
        Ok(())
    }
}

/// The middle value; 0 without any.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
