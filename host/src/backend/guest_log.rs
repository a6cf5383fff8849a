//! A plugin's own words in our log: its `log` import, and whatever it prints.

use super::secrets::Secrets;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// The longest line that is kept, in bytes.
const LINE: usize = 4096;
/// How many lines a plugin may write in [`WINDOW`]; the rest is counted and dropped.
const LINES: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);

/// The log of one plugin instance.
#[derive(Clone)]
pub(super) struct GuestLog {
    plugin: Arc<str>,
    secrets: Secrets,
    state: Arc<Mutex<State>>,
}

struct State {
    line: Vec<u8>,
    window: Instant,
    lines: u32,
}

impl GuestLog {
    pub(super) fn new(plugin: &Arc<str>, secrets: &Secrets) -> Self {
        let state = State {
            line: Vec::new(),
            window: Instant::now(),
            lines: 0,
        };
        Self {
            plugin: Arc::clone(plugin),
            secrets: secrets.clone(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Whether one more line may go out now.
    fn admit(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.window.elapsed() > WINDOW {
            if state.lines > LINES {
                let dropped = state.lines - LINES;
                tracing::warn!(plugin = %self.plugin, dropped, "the plugin logs too much");
            }
            state.window = Instant::now();
            state.lines = 0;
        }
        state.lines = state.lines.saturating_add(1);
        state.lines <= LINES
    }

    pub(super) fn write(&self, level: tracing::Level, message: &str) {
        if !self.admit() {
            return;
        }
        // Before the line is cut: half a secret would not be found.
        let message = self.secrets.hide(message);
        let cut = message.floor_char_boundary(LINE);
        let message: String = message
            .get(..cut)
            .unwrap_or_default()
            .chars()
            .map(printable)
            .collect();
        let plugin = &self.plugin;
        match level {
            tracing::Level::ERROR => tracing::error!(target: "plugin", %plugin, "{message}"),
            tracing::Level::WARN => tracing::warn!(target: "plugin", %plugin, "{message}"),
            tracing::Level::INFO => tracing::info!(target: "plugin", %plugin, "{message}"),
            tracing::Level::DEBUG => tracing::debug!(target: "plugin", %plugin, "{message}"),
            tracing::Level::TRACE => tracing::trace!(target: "plugin", %plugin, "{message}"),
        }
    }

    fn printed(&self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let most = LINE + self.secrets.longest();
            let room = most.saturating_sub(state.line.len());
            state.line.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") {
                let line = std::mem::take(&mut state.line);
                drop(state);
                self.write(
                    tracing::Level::WARN,
                    String::from_utf8_lossy(&line).trim_end(),
                );
            }
        }
    }
}

/// A line stays one line, and sends nothing to a terminal.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.printed(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
