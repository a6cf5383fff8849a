//! What the end of a look at a folder means for what is known of it.

use super::marks::{LAG, Mark};
use super::ports::{End, Folder, Tail, TailPage};
use super::tables::{Tables, behind, content, name_in, next};
use crate::model::Timestamp;
use std::collections::HashSet;

/// The folder after a page with this end, and how many objects have turned out to be gone. `seen`:
/// what the only page has told.
pub(super) fn conclude<T: Tables>(
    tables: &T,
    folder: &str,
    mut state: Folder,
    end: End,
    (began, seen): (Timestamp, &HashSet<String>),
) -> Result<(Folder, u64), T::Error> {
    let refused = state.run.as_ref().map_or(0, |run| run.refused);
    match end {
        End::Newest => {}
        End::More(cursor) => {
            if let Some(run) = &mut state.run {
                run.cursor = Some(cursor);
            }
        }
        End::Unchanged(page) => {
            state.tail = Some(tail(page, content(tables, folder)?, refused));
            state.confirmed = Some(began);
            state.run = None;
            tables.clear_marks(folder, began - LAG)?;
        }
        End::Whole(page) => {
            let left = sweep(tables, folder, seen, began)?;
            tables.clear_marks(folder, began - LAG)?;
            let state = Folder {
                // A key whose only object was told too early is found by another scan.
                confirmed: (!left.doubtful).then_some(began),
                run: None,
                newest: state.newest,
                tail: page.map(|page| tail(page, left.content, refused)),
            };
            return Ok((state, left.gone));
        }
    }
    Ok((state, 0))
}

fn tail(page: TailPage, content: u64, refused: u64) -> Tail {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Tail {
        surplus: signed(page.told) - signed(content) - signed(refused),
        cursor: page.cursor,
        before: page.before,
    }
}

/// What is left in a folder.
struct Left {
    content: u64,
    gone: u64,
    doubtful: bool,
}

/// Removes what a complete run has not told.
fn sweep<T: Tables>(
    tables: &T,
    folder: &str,
    seen: &HashSet<String>,
    began: Timestamp,
) -> Result<Left, T::Error> {
    let mut left = Left {
        content: 0,
        gone: 0,
        doubtful: false,
    };
    let is_there = |name: &str| match tables.mark(folder, name)? {
        Some(Mark::Seen) => Ok(true),
        Some(Mark::Doubtful) => Ok(false),
        mark => Ok(mark.is_some_and(|mark| mark.is_lately(began)) || seen.contains(name)),
    };
    let mut from = folder.to_owned();
    while let Some(key) = tables.key_from(&from)? {
        if !key.as_str().starts_with(folder) {
            break;
        }
        let name = name_in(folder, key.as_str());
        let inside = format!("{folder}{name}");
        let there = is_there(name)?;
        if there && let Some(behind) = behind(&inside) {
            from = behind;
            continue;
        }
        if there || tables.remembered(&key)?.intent.is_some() {
            left.content += u64::from(!inside.ends_with('/'));
        } else if tables.owes_text(&key)? {
            // Nobody else knows its tag and metadata yet. It does not count, so that the next look
            // scans the folder again.
        } else {
            left.doubtful |= tables.mark(folder, name)? == Some(Mark::Doubtful);
            tables.drop_row(&key)?;
            left.gone += 1;
        }
        from = next(key.as_str());
    }
    let mut from = next(folder);
    while let Some((below, _)) = tables.folder_from(&from)? {
        if !below.starts_with(folder) {
            break;
        }
        let name = name_in(folder, &below);
        if is_there(name)? {
            left.content += 1;
            from = behind(&format!("{folder}{name}")).unwrap_or_default();
        } else {
            tables.drop_folder(&below)?;
            from = next(&below);
        }
    }
    Ok(left)
}
