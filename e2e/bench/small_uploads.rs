//! (a) Durable uploads of 4 KiB with a token, against the floor.

use std::path::Path;

use anyhow::Result;
use storage_element_e2e::{Node, Tokens, Wire, multipart};

use crate::floor;
use crate::load::{exchange, rate};
use crate::plan::Plan;
use crate::report::Report;

static CONTENT: [u8; 4096] = [b'x'; 4096];

/// The bar is set for 16 clients.
const BAR: (usize, f64) = (16, 0.8);

pub fn run(plan: &Plan, node: &Node, folder: &Path, report: &mut Report) -> Result<()> {
    let request = multipart::request("small.bin", &CONTENT, &Tokens::shared().role("user"));
    let upload = |_| {
        let (mut wire, request) = (Wire::connect(node.address())?, &request);
        Ok(move |_| exchange(&mut wire, request, 201).map(drop))
    };
    for &clients in plan.upload_clients {
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..plan.rounds {
            let place = folder.join(format!("floor-{clients}-{round}"));
            bare.push(rate(clients, plan.window, |thread| floor::writer(&place, thread, &CONTENT))?);
            std::fs::remove_dir_all(&place)?;
            ours.push(rate(clients, plan.window, upload)?);
        }
        let bar = (clients == BAR.0).then_some(BAR.1);
        let work = format!("durable upload, 4 KiB, {clients} clients");
        report.compare(work, "files/s", ours, ("bare fsyncs and renames", bare), bar);
    }
    Ok(())
}
