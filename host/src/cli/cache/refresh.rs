//! `cache refresh`: the listing index anew.

use super::walk::WalkOptions;
use super::{Context, format, print, print_json, runtime};
use crate::cli::Failure;
use crate::service::index::Refreshed;
use clap::Args;
use serde_json::json;
use std::io::{self, Write as _};

#[derive(Debug, Args)]
pub(super) struct RefreshOptions {
    #[command(flatten)]
    walk: WalkOptions,

    /// Print JSON: a line for each bucket
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: RefreshOptions) -> Result<(), Failure> {
    runtime()?.block_on(refresh(context, options))
}

async fn refresh(context: &Context, options: RefreshOptions) -> Result<(), Failure> {
    let json = options.json;
    let walk = options.walk.open(context).await?;
    if !json {
        print(&format!(
            "Refreshing the listing index...\n  Backend: {}\n",
            walk.title
        ))?;
    }
    let mut outcome = Ok(());
    for bucket in &walk.buckets {
        let told = |folders: u64| {
            if folders.is_multiple_of(1000) {
                // Nobody can be told whose stderr is closed.
                let _ = writeln!(io::stderr(), "    {} folders", format::number(folders));
            }
        };
        let refreshed = tokio::select! {
            refreshed = walk.service.refresh_index(bucket, &told) => refreshed,
            _ = tokio::signal::ctrl_c() => {
                outcome = Err(Failure::new("interrupted"));
                break;
            }
        };
        outcome = match refreshed {
            Ok(Some(refreshed)) if json => print_json(&json!({
                "bucket": bucket.as_str(),
                "folders": refreshed.counts.folders,
                "objects": refreshed.counts.rows,
                "new": refreshed.changes.new,
                "changed": refreshed.changes.changed,
                "gone": refreshed.changes.gone,
            })),
            Ok(Some(refreshed)) => print(&text(bucket.as_str(), &refreshed)),
            Ok(None) => Err(Failure::new(format!(
                "the backend {} has no listing index: it lists its objects itself",
                walk.title
            ))),
            Err(error) => Err(Failure::new(format!("cannot list {bucket}: {error}"))),
        };
        if outcome.is_err() {
            break;
        }
    }
    walk.close().await;
    outcome?;
    if json {
        return Ok(());
    }
    print("✓ Index refreshed\n")
}

fn text(bucket: &str, refreshed: &Refreshed) -> String {
    let number = format::number;
    let Refreshed { changes, counts } = refreshed;
    format!(
        "  Bucket: {bucket}\n    Folders: {}\n    Objects: {} ({} new, {} changed, {} gone)\n",
        number(counts.folders),
        number(counts.rows),
        number(changes.new),
        number(changes.changed),
        number(changes.gone),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::index::{Applied, IndexCounts};

    #[test]
    fn a_bucket_is_told_with_what_has_changed() {
        let refreshed = Refreshed {
            changes: Applied {
                new: 1200,
                changed: 3,
                gone: 0,
                folders: 7,
                ..Applied::default()
            },
            counts: IndexCounts {
                folders: 120,
                unscanned: 0,
                rows: 4321,
            },
        };
        insta::assert_snapshot!(text("photos", &refreshed), @r"
          Bucket: photos
            Folders: 120
            Objects: 4,321 (1,200 new, 3 changed, 0 gone)
        ");
    }
}
