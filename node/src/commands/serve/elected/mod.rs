//! A node under a Lease: it begins as a standby, takes over when it is elected, and steps down when it is not any more,
//! all in one process.
//!
//! Source of the rules: the product specification, `10-node`, Election and Fencing.

mod candidacy;
mod follow;
mod leaving;
mod life;
mod losing;
mod reaching;
mod seeing;
mod taking_over;
mod term;
mod wellness;

use std::net::SocketAddr;

use self::life::Life;
use super::Process;
use crate::commands::CommandError;
use crate::http::AppState;

/// Serves the element until a signal comes, in whatever part the election gives this node.
pub(super) async fn live(
    process: &Process<'_>,
    state: &AppState,
    signalled: impl Future<Output = &'static str>,
    address: SocketAddr,
) -> Result<(), CommandError> {
    tracing::info!(%address, "listening: a standby until it is elected");
    tokio::pin!(signalled);
    let reached = tokio::select! {
        reached = reaching::reach(process) => reached?,
        signal = &mut signalled => {
            tracing::info!(signal, "stopping before catalog and storage were reached");
            return Ok(());
        }
    };
    let mut life = Life::begin(process, state, reached);
    match life.run(signalled).await {
        Ok(signal) => {
            tracing::info!(signal, "stopping: running writes finish, no new ones are taken");
            life.leave().await;
            Ok(())
        }
        Err(error) => {
            life.lose("the process ends");
            Err(error)
        }
    }
}
