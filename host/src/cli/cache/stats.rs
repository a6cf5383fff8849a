//! `cache stats`.

use super::scope::{Scope, ScopeOptions};
use super::{Context, format, print, print_json, reader};
use crate::cache::{BucketTally, CacheReader, CopyError, KnownStore, Tally};
use crate::cli::Failure;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

#[derive(Debug, Args)]
pub(super) struct StatsOptions {
    #[command(flatten)]
    scope: ScopeOptions,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, options: &StatsOptions) -> Result<(), Failure> {
    let path = context.database(options.scope.backend_config.as_deref())?;
    let found = match reader(&path)? {
        Some(reader) => {
            let scope = options.scope.resolve(context, &reader)?;
            Found::read(&reader, &scope)?
        }
        None if context.names_database() => {
            return Err(Failure::of(CopyError::NoDatabase(path)));
        }
        None => Found::default(),
    };
    if options.json {
        return print_json(&found.json());
    }
    print(&found.text(&options.scope))
}

/// What was counted.
#[derive(Debug, Default)]
struct Found {
    stores: Vec<(KnownStore, Vec<BucketTally>)>,
}

impl Found {
    fn read(reader: &CacheReader, scope: &Scope) -> Result<Self, Failure> {
        let mut stores = Vec::new();
        for store in &scope.stores {
            let mut buckets = reader.tallies(store).map_err(Failure::from)?;
            buckets.retain(|tally| scope.has_bucket(&tally.bucket));
            if !buckets.is_empty() {
                stores.push((store.clone(), buckets));
            }
        }
        Ok(Self { stores })
    }

    fn total(&self) -> Tally {
        let stores = self.stores.iter();
        stores.fold(Tally::default(), |sum, (_, buckets)| {
            sum.and(sum_of(buckets))
        })
    }

    /// By workspace, and by name where there is none.
    fn groups(&self) -> BTreeMap<Group, Tally> {
        let mut groups: BTreeMap<Group, Tally> = BTreeMap::new();
        for (store, buckets) in &self.stores {
            let sum = groups.entry(Group::of(store)).or_default();
            *sum = sum.and(sum_of(buckets));
        }
        groups
    }

    fn text(&self, scope: &ScopeOptions) -> String {
        let total = self.total();
        let name = match (scope.workspace, &scope.backend_config, &scope.bucket) {
            (Some(number), _, None) => Some(format!("Workspace {number}")),
            (Some(number), _, Some(bucket)) => {
                Some(format!("Workspace {number}, Bucket '{bucket}'"))
            }
            (None, Some(name), None) => Some(format!("Backend {name}")),
            (None, Some(name), Some(bucket)) => Some(format!("Backend {name}, Bucket '{bucket}'")),
            (None, None, Some(bucket)) => Some(format!("Bucket '{bucket}'")),
            (None, None, None) => None,
        };
        let Some(name) = name else {
            return self.overall(&total);
        };
        if total.files == 0 {
            let place = name.replacen("Workspace", "workspace", 1);
            let place = place.replacen("Backend", "backend", 1);
            let place = place.replacen("Bucket", "bucket", 1);
            return format!("No cache entries for {place}\n");
        }
        let mut text = format!("MD5 Cache Statistics - {name}\n\n");
        lines(
            &mut text,
            "",
            ["Total files", "Total size", "Oldest entry", "Newest entry"],
            &total,
        );
        text
    }

    fn overall(&self, total: &Tally) -> String {
        if total.files == 0 {
            return "Cache is empty\n".to_owned();
        }
        let mut text = "MD5 Cache Statistics\n\nOverall Statistics:\n".to_owned();
        lines(
            &mut text,
            "  ",
            ["Total files", "Total size", "Oldest entry", "Newest entry"],
            total,
        );
        text.push_str("\nPer-Workspace Statistics:\n");
        for (group, tally) in self.groups() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n  {}:", group.title());
            lines(
                &mut text,
                "    ",
                ["Files", "Size", "Oldest", "Newest"],
                &tally,
            );
        }
        text
    }

    fn json(&self) -> Value {
        let store = |(store, buckets): &(KnownStore, Vec<BucketTally>)| {
            let buckets: Vec<Value> = buckets
                .iter()
                .map(|tally| merged(json!({ "bucket": tally.bucket }), &tally.known))
                .collect();
            let about = json!({
                "component": store.component,
                "name": store.name,
                "workspace": store.label,
                "imported": store.imported,
                "buckets": buckets,
            });
            let buckets = self.stores.iter().find(|(other, _)| other == store);
            merged(
                about,
                &buckets.map_or_else(Tally::default, |(_, b)| sum_of(b)),
            )
        };
        let stores: Vec<Value> = self.stores.iter().map(store).collect();
        merged(json!({ "stores": stores }), &self.total())
    }
}

fn sum_of(buckets: &[BucketTally]) -> Tally {
    let known = buckets.iter().map(|tally| tally.known);
    known.fold(Tally::default(), Tally::and)
}

/// A heading of the statistics. Workspaces come first, in the order of their numbers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    Workspace(u64),
    Backend(String),
}

impl Group {
    fn of(store: &KnownStore) -> Self {
        match store.label {
            Some(number) => Self::Workspace(number),
            None if store.imported => Self::Backend(format!("{} (imported)", store.component)),
            None => Self::Backend(store.name.clone()),
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Workspace(number) => format!("Workspace {number}"),
            Self::Backend(name) => format!("Backend {name}"),
        }
    }
}

fn lines(text: &mut String, indent: &str, names: [&str; 4], tally: &Tally) {
    let time = |time: Option<_>| time.map(format::time).unwrap_or_default();
    let values = [
        format::number(tally.files),
        format::size(tally.size),
        time(tally.oldest),
        time(tally.newest),
    ];
    for (name, value) in names.into_iter().zip(values) {
        let _ = writeln!(text, "{indent}{name}: {value}");
    }
}

/// The object with the four numbers added to it.
fn merged(mut object: Value, tally: &Tally) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("files".into(), tally.files.into());
        fields.insert("size".into(), tally.size.into());
        fields.insert("oldest".into(), tally.oldest.map(format::time).into());
        fields.insert("newest".into(), tally.newest.map(format::time).into());
    }
    object
}
