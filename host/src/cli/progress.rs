//! A bar with rate and remaining time, on a terminal.

use super::Failure;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

/// The bar. Clones are the same one.
#[derive(Clone)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// `None` when nobody looks: stdout or stderr is no terminal.
    pub(super) fn on_terminal() -> Option<Self> {
        if !std::io::stderr().is_terminal() || !std::io::stdout().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new_spinner().with_message("looking at the objects");
        bar.enable_steady_tick(Duration::from_millis(200));
        Some(Self(bar))
    }

    /// So many bytes are to come.
    pub(super) fn set_length(&self, bytes: u64) {
        let template = "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.reset();
        self.0.set_length(bytes);
    }

    /// So many have come. An object that is read twice may push the bar over its end.
    pub(super) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Prints a line of data above the bar.
    pub(super) fn print(&self, line: &str) -> Result<(), Failure> {
        self.0
            .suspend(|| super::output::print(&format!("{line}\n")))
    }

    /// Makes it disappear.
    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
