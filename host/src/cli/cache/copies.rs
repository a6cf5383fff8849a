//! `cache vacuum`, `cache backup` and `cache restore`.

use super::{Context, format, open, print, print_json};
use crate::cache::{self, CopyError};
use crate::cli::Failure;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn vacuum(context: &Context, json: bool) -> Result<(), Failure> {
    let path = context.database(None)?;
    if !path.exists() {
        return Err(Failure::of(CopyError::NoDatabase(path)));
    }
    if !json {
        print("Optimizing cache database...\n")?;
    }
    // A server would replace a database that is damaged; whoever asks for this wants that one.
    cache::examine(&path).map_err(Failure::from)?;
    let done = open(&path)?.vacuum().map_err(Failure::from)?;
    let saved = done.before.saturating_sub(done.after);
    if json {
        return print_json(&json!({
            "before": done.before,
            "after": done.after,
            "saved": saved,
        }));
    }
    print(&format!(
        "✓ Database optimized\n  Before: {}\n  After: {}\n  Saved: {}\n",
        format::size(done.before),
        format::size(done.after),
        format::size(saved)
    ))
}

pub(super) fn backup(context: &Context, file: &Path, force: bool) -> Result<(), Failure> {
    let path = context.database(None)?;
    let target = context.places.current.join(file);
    cache::backup(&path, &target, force).map_err(|error| match error {
        CopyError::Exists(_) => Failure::of(error).hint("--force replaces it"),
        CopyError::Open(error) => error.into(),
        error => Failure::of(error),
    })?;
    let size = std::fs::metadata(&target).map_or(0, |file| file.len());
    print(&format!(
        "✓ Copied {} to {} ({})\n",
        path.display(),
        target.display(),
        format::size(size)
    ))
}

pub(super) fn restore(context: &Context, file: &Path) -> Result<(), Failure> {
    let path = context.database(None)?;
    let source = context.places.current.join(file);
    let old = cache::restore(&path, &source).map_err(|error| match error {
        CopyError::InUse(_) => Failure::of(error).hint("stop all pys3local that use it first"),
        CopyError::Open(error) => error.into(),
        error => Failure::of(error),
    })?;
    let mut text = format!("✓ Restored {} from {}\n", path.display(), source.display());
    if let Some(old) = old {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  The old one is now {}", old.display());
    }
    print(&text)
}
