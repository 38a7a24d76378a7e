//! The thread itself.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::StartError;
use super::standing::Standing;
use crate::Settings;
use crate::protocol::Wish;

/// Starts it.
pub(super) fn start(
    _config: kube::Config,
    _settings: Settings,
    _standing: Arc<Standing>,
    _wished: mpsc::Receiver<Wish>,
) -> Result<(), StartError> {
    Ok(())
}
