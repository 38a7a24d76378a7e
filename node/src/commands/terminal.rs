//! What long commands show on a terminal.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::jobs::Progress;

/// Shows a progress bar while `work` runs; nothing where standard error is not a terminal. Ctrl-C cancels.
pub(super) async fn watched<T>(
    what: &'static str,
    progress: Arc<Progress>,
    cancel: CancellationToken,
    work: impl Future<Output = T>,
) -> T {
    let bar = ProgressBar::new(0);
    let style = "{msg} [{bar:32}] {pos}/{len} files, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(what);
    tokio::pin!(work);
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = tick.tick() => {
                let view = progress.view();
                bar.set_length(view.total.max(view.done));
                bar.set_position(view.done);
            }
            Ok(()) = tokio::signal::ctrl_c() => cancel.cancel(),
        }
    };
    bar.finish_and_clear();
    result
}
