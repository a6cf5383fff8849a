//! `cache cleanup`.

use super::scope::{Scope, ScopeOptions};
use super::{Context, format, open, print, print_json, reader};
use crate::cache::{CacheReader, Forgettable};
use crate::cli::Failure;
use clap::Args;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct CleanupOptions {
    #[command(flatten)]
    scope: ScopeOptions,

    /// Everything, after a question
    #[arg(long)]
    all: bool,

    /// Forget content types, user metadata and parts too, after a question
    #[arg(long)]
    forget_metadata: bool,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: &CleanupOptions) -> Result<(), Failure> {
    options.check()?;
    let path = context.database(options.scope.backend_config.as_deref())?;
    let Some(reader) = reader(&path)? else {
        return options.report(None, 0);
    };
    let scope = options.scope.resolve(context, &reader)?;
    let sum = sum(&reader, &scope)?;
    drop(reader);
    let count = if options.forget_metadata {
        sum.rows
    } else {
        sum.md5s
    };
    if count == 0 {
        return options.report(scope.name.as_deref(), 0);
    }
    if (options.all || options.forget_metadata) && !options.yes {
        let warning = options.warning(&sum);
        if options.json {
            // Nobody can be told whose stderr is closed.
            let _ = writeln!(io::stderr(), "{warning}");
        } else {
            print(&format!("{warning}\n"))?;
        }
        if !confirmed()? {
            return if options.json {
                print_json(&json!({ "removed": 0, "aborted": true }))
            } else {
                print("Aborted.\n")
            };
        }
    }
    let cache = open(&path)?;
    let mut removed = 0;
    for (store, bucket) in scope.parts() {
        let forgotten = if options.forget_metadata {
            cache.forget_rows(store, bucket)
        } else {
            cache.forget_md5s(store, bucket)
        };
        removed += forgotten.map_err(Failure::from)?;
    }
    options.report(scope.name.as_deref(), removed)
}

fn sum(reader: &CacheReader, scope: &Scope) -> Result<Forgettable, Failure> {
    let mut sum = Forgettable::default();
    for (store, bucket) in scope.parts() {
        let part = reader.forgettable(store, bucket).map_err(Failure::from)?;
        sum.md5s += part.md5s;
        sum.rows += part.rows;
        sum.with_metadata += part.with_metadata;
    }
    Ok(sum)
}

impl CleanupOptions {
    fn check(&self) -> Result<(), Failure> {
        if self.all && !self.scope.is_empty() {
            let what = "--all cannot be combined with --workspace, --bucket or --backend-config";
            return Err(Failure::new(what));
        }
        if !self.all && self.scope.is_empty() {
            let what = "say what to clean: --workspace, --backend-config, --bucket or --all";
            return Err(Failure::new(what));
        }
        Ok(())
    }

    /// What the user should know before an answer.
    fn warning(&self, sum: &Forgettable) -> String {
        let mut text = String::new();
        let metadata = format::objects(sum.with_metadata);
        // Writing to a String cannot fail.
        if self.forget_metadata {
            let _ = write!(
                text,
                "This will remove {} entries from the cache. The content type and user metadata \
                 of {metadata} would be lost where they are not kept with the object itself; what is \
                 kept there is learned again.",
                format::number(sum.rows),
            );
        } else {
            let _ = write!(
                text,
                "This will remove {} entries from the cache. Objects stay, and so do the content \
                 type and user metadata of {metadata}. MD5s that are kept with the object itself are \
                 learned again.",
                format::number(sum.md5s),
            );
        }
        text
    }

    fn report(&self, scope: Option<&str>, removed: u64) -> Result<(), Failure> {
        if self.json {
            return print_json(&json!({ "removed": removed }));
        }
        // There may be no database that the name could come from.
        let fallback = self.scope.name();
        let scope = scope.or(fallback.as_deref());
        let count = format::number(removed);
        let text = match (scope, removed) {
            _ if self.all && removed == 0 => "Cache is already empty\n".to_owned(),
            (None, 0) => "No entries found\n".to_owned(),
            (Some(scope), 0) => format!("No entries found for {scope}\n"),
            (Some(scope), _) => format!("✓ Removed {count} entries for {scope}\n"),
            (None, _) => format!("✓ Removed {count} entries from cache\n"),
        };
        print(&text)
    }
}

fn confirmed() -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let what = "this needs a confirmation, and there is no terminal to ask on";
        return Err(Failure::new(what).hint("--yes confirms it"));
    }
    let _ = write!(io::stderr(), "Are you sure? [y/N]: ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("cannot read the answer: {error}")))?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y", "Y\n", " yes \r\n", "YES"].into_iter().all(is_yes));
        assert!(!["", "\n", "n", "no", "yeah", "yy"].into_iter().any(is_yes));
    }
}
