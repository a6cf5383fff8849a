//! `cache rename`.

use super::{Context, format, print, reader};
use crate::cache::{self, RenameError};
use crate::cli::Failure;
use crate::cli::whereabouts::{directory, store_name};
use std::path::Path;

pub(super) fn run(context: &Context, old: &Path, new: &Path) -> Result<(), Failure> {
    let path = context.database(None)?;
    let old = context.places.absolute(old);
    let to = context.places.absolute(new);
    let to = to
        .canonicalize()
        .map_err(|error| Failure::io(&format!("cannot use {}", to.display()), &error))?;
    if !to.is_dir() {
        let what = format!("cannot use {}: not a directory", to.display());
        return Err(Failure::new(what));
    }
    let known = known(&path)?;
    // As it was written, and only then as what it leads to: it may be a link to the new place now.
    let from = match (known.contains(&store_name(&old)), old.canonicalize()) {
        (false, Ok(real)) if real != to => real,
        _ => old,
    };
    let known: Vec<&str> = known.iter().filter_map(|name| directory(name)).collect();
    if known.is_empty() {
        let what = "the metadata database knows nothing of any directory";
        return Err(Failure::new(what));
    }
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let renamed = cache::rename(&path, &store_name(from.as_ref()), &store_name(to.as_ref()));
    let objects = renamed.map_err(|error| match error {
        RenameError::Unknown(_) => Failure::new(format!(
            "the metadata database knows nothing of {from}: it knows {}",
            known.join(", ")
        )),
        RenameError::Taken(_) => Failure::new(format!(
            "the metadata database knows of objects, uploads or settings of buckets in {to} already"
        )),
        RenameError::InUse(_) => Failure::of(error).hint("stop all pys3local that use it first"),
        RenameError::Open(error) => error.into(),
        RenameError::Failed(error) => error.into(),
    })?;
    print(&format!(
        "✓ What was known of {from} is now known of {to} ({})\n",
        format::objects(objects)
    ))
}

/// The names of all stores of which anything is known.
fn known(path: &Path) -> Result<Vec<String>, Failure> {
    let Some(reader) = reader(path)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for store in reader.stores().map_err(Failure::from)? {
        if !store.imported && reader.has_rows(&store).map_err(Failure::from)? {
            names.push(store.name);
        }
    }
    Ok(names)
}
