//! Between the generated types and the model. What comes from a guest is untrusted input: it is
//! checked here, and an answer that breaks the contract is an error of the plugin.

use super::bindings::exports::pys3local::storage::{scan, store as abi};
use super::bindings::pys3local::storage::types::{self, Error};
use crate::model::{BucketName, ObjectKey, ObjectState, Timestamp};
use crate::service::ports::{
    PutOptions, Receipt, ScanPage, StoreError, StoreListQuery, StorePage, StoredBucket,
    StoredObject,
};
use std::time::Duration;

/// The longest id, version or part token, in bytes.
const NAME: usize = 255;
/// The longest name of an upload, in bytes.
const UPLOAD: usize = 2048;
/// The longest cursor of a scan.
const CURSOR: usize = 16 * 1024;
/// The longest hash or content type that we keep.
const TEXT: usize = 1024;
/// The longest text beside an object that we write, or look at.
pub(super) const PORTABLE: usize = 8192;
/// The longest delay that a plugin may ask clients for.
const LONGEST_DELAY: Duration = Duration::from_mins(5);

pub(super) fn error(error: Error) -> StoreError {
    match error {
        Error::NoSuchBucket => StoreError::NoSuchBucket,
        Error::NoSuchKey => StoreError::NoSuchKey,
        Error::NoSuchUpload => StoreError::NoSuchUpload,
        Error::AlreadyExists => StoreError::BucketExists,
        Error::NotEmpty => StoreError::BucketNotEmpty,
        Error::InvalidName(text) => StoreError::InvalidName(cut(text)),
        Error::InvalidRange => StoreError::InvalidRange,
        Error::Changed => StoreError::Changed,
        Error::Denied(text) => StoreError::Denied(cut(text)),
        Error::NoSpace => StoreError::NoSpace,
        Error::Quota => StoreError::Quota,
        Error::Throttled(delay) => StoreError::Throttled {
            retry_after: delay.map(|ms| Duration::from_millis(ms.into()).min(LONGEST_DELAY)),
        },
        Error::Unavailable(text) => StoreError::Unavailable(cut(text)),
        Error::Unsupported => StoreError::Unsupported,
        Error::Aborted => StoreError::Aborted,
        Error::Other(text) => StoreError::Other(cut(text)),
    }
}

/// An error's own words, for the operator.
pub(super) fn text(error: &Error) -> String {
    match error {
        Error::InvalidName(text)
        | Error::Denied(text)
        | Error::Unavailable(text)
        | Error::Other(text) => super::load::one_line(text),
        other => super::load::one_line(&format!("{other:?}")),
    }
}

/// A plugin's words as a line of the log, or of a terminal.
fn cut(text: String) -> String {
    if text.len() <= TEXT && !text.contains(char::is_control) {
        text
    } else {
        super::load::one_line(&text)
    }
}

fn broken(what: &str) -> StoreError {
    StoreError::Other(format!("the plugin breaks its contract: {what}"))
}

/// A name that the plugin gave to an upload.
pub(super) fn upload_name(name: String) -> Result<String, StoreError> {
    match name.len() {
        1..=UPLOAD => Ok(name),
        _ => Err(broken("the name of an upload is not 1 to 2048 bytes long")),
    }
}

/// A name that the plugin gave to a part.
pub(super) fn name(name: String) -> Result<String, StoreError> {
    match name.len() {
        1..=NAME => Ok(name),
        _ => Err(broken("a name is not 1 to 255 bytes long")),
    }
}

pub(super) fn object(info: types::ObjectInfo) -> Result<StoredObject, StoreError> {
    let types::ObjectRef { id, version } = info.state;
    if id.len() > NAME || version.len() > NAME {
        return Err(broken("an id or version is longer than 255 bytes"));
    }
    let short = |text: &String| text.len() <= TEXT && !text.chars().any(char::is_control);
    Ok(StoredObject {
        state: ObjectState { id, version },
        size: info.size,
        modified: Timestamp(info.modified),
        hash: info.hash.filter(short),
        content_type: info.content_type.filter(short),
        portable: info.portable.filter(|text| text.len() <= PORTABLE),
    })
}

/// `None` for a bucket whose name no S3 client could use.
pub(super) fn bucket(info: &types::BucketInfo) -> Option<StoredBucket> {
    let name: BucketName = info.name.parse().ok()?;
    let created = (info.created != 0).then_some(Timestamp(info.created));
    Some(StoredBucket { name, created })
}

pub(super) fn state(state: &ObjectState) -> types::ObjectRef {
    types::ObjectRef {
        id: state.id.clone(),
        version: state.version.clone(),
    }
}

pub(super) fn options(options: PutOptions) -> types::UploadOptions {
    types::UploadOptions {
        content_type: options.content_type,
        known: options.known.as_ref().map(state),
    }
}

pub(super) fn receipt(receipt: &Receipt) -> types::Receipt {
    types::Receipt {
        size: receipt.size,
        md5: receipt.md5.map(Vec::from).unwrap_or_default(),
        etag: receipt.etag.to_string(),
        content_type: receipt.content_type.clone(),
        portable: String::new(),
    }
}

pub(super) fn query(query: StoreListQuery) -> abi::ListQuery {
    abi::ListQuery {
        prefix: query.prefix,
        after: query.after,
        shallow: query.shallow,
        limit: query.limit.into(),
    }
}

/// Checks that a page is sorted, complete in itself, and answers the question.
pub(super) fn page(query: &StoreListQuery, page: abi::Page) -> Result<StorePage, StoreError> {
    if page.entries.len() + page.prefixes.len() > usize::from(query.limit) {
        return Err(broken("a page is longer than asked for"));
    }
    let after = query.after.as_deref();
    let mut entries: Vec<(ObjectKey, StoredObject)> = Vec::with_capacity(page.entries.len());
    for entry in page.entries {
        let key: ObjectKey = entry
            .key
            .parse()
            .map_err(|_| broken("a listed key is no key"))?;
        let text = key.as_str();
        let rest = text.strip_prefix(query.prefix.as_str());
        let Some(rest) = rest else {
            return Err(broken("a listed key has another prefix"));
        };
        if query.shallow && rest.contains('/') {
            return Err(broken("a key that should be rolled up"));
        }
        if after.is_some_and(|after| text <= after)
            || entries.last().is_some_and(|(last, _)| *last >= key)
        {
            return Err(broken("listed keys are out of order"));
        }
        entries.push((key, object(entry.info)?));
    }
    for (index, prefix) in page.prefixes.iter().enumerate() {
        let rest = prefix.strip_prefix(query.prefix.as_str());
        let rolled_up =
            rest.is_some_and(|rest| rest.find('/').is_some_and(|at| at + 1 == rest.len()));
        if !query.shallow || !rolled_up || prefix.len() > ObjectKey::MAX_BYTES {
            return Err(broken("a prefix that cannot be"));
        }
        let previous = index
            .checked_sub(1)
            .and_then(|index| page.prefixes.get(index));
        if previous.is_some_and(|previous| previous >= prefix)
            || after.is_some_and(|after| {
                prefix.as_str() <= after && !after.starts_with(prefix.as_str())
            })
            || after == Some(prefix)
        {
            return Err(broken("listed prefixes are out of order"));
        }
    }
    if page.more && entries.is_empty() && page.prefixes.is_empty() {
        return Err(broken("an empty page promises more"));
    }
    Ok(StorePage {
        entries,
        prefixes: page.prefixes,
        more: page.more,
    })
}

/// Checks a page of a folder. Names that make no key are left out: no client could ask for them.
pub(super) fn scan_page(folder: &str, page: scan::ScanPage) -> Result<ScanPage, StoreError> {
    let mut entries = Vec::with_capacity(page.entries.len());
    for entry in page.entries {
        let name = entry.key.strip_prefix(folder);
        if name.is_none_or(|name| name.contains('/')) {
            return Err(broken("a scanned key lies in another folder"));
        }
        if let Ok(key) = entry.key.parse::<ObjectKey>() {
            entries.push((key, object(entry.info)?));
        }
    }
    let mut folders = Vec::with_capacity(page.folders.len());
    for below in page.folders {
        let name = below.strip_prefix(folder);
        if name.is_none_or(|name| name.find('/').is_none_or(|at| at + 1 != name.len())) {
            return Err(broken("a scanned folder lies in another one"));
        }
        if below.len() < ObjectKey::MAX_BYTES {
            folders.push(below);
        }
    }
    if page.next.as_ref().is_some_and(|next| next.len() > CURSOR) {
        return Err(broken("a cursor is longer than 16 KiB"));
    }
    Ok(ScanPage {
        entries,
        folders,
        next: page.next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> types::ObjectInfo {
        types::ObjectInfo {
            state: types::ObjectRef {
                id: String::new(),
                version: "1".into(),
            },
            size: 1,
            modified: 0,
            hash: None,
            content_type: None,
            portable: None,
        }
    }

    fn ask(shallow: bool) -> StoreListQuery {
        StoreListQuery {
            prefix: "p/".into(),
            after: Some("p/b".into()),
            shallow,
            limit: 3,
        }
    }

    fn check(shallow: bool, keys: &[&str], prefixes: &[&str], more: bool) -> bool {
        let entries = keys
            .iter()
            .map(|key| types::Entry {
                key: (*key).into(),
                info: info(),
            })
            .collect();
        let prefixes = prefixes.iter().map(|prefix| (*prefix).into()).collect();
        page(
            &ask(shallow),
            abi::Page {
                entries,
                prefixes,
                more,
            },
        )
        .is_ok()
    }

    #[test]
    fn a_page_that_answers_the_question_is_taken() {
        assert!(check(false, &["p/c", "p/d/e"], &[], true));
        assert!(check(true, &["p/c"], &["p/d/", "p/e/"], false));
    }

    #[test]
    fn a_page_that_breaks_the_contract_is_an_error_of_the_plugin() {
        assert!(
            !check(false, &["p/c", "p/d", "p/e", "p/f"], &[], true),
            "too long"
        );
        assert!(!check(false, &["p/d", "p/c"], &[], false), "unsorted");
        assert!(!check(false, &["p/c", "p/c"], &[], false), "twice");
        assert!(!check(false, &["q/c"], &[], false), "other prefix");
        assert!(!check(false, &["p/b"], &[], false), "not behind");
        assert!(!check(false, &[""], &[], false), "no key");
        assert!(!check(true, &["p/c/d"], &[], false), "not rolled up");
        assert!(!check(false, &[], &["p/c/"], false), "rolled up unasked");
        assert!(!check(true, &[], &["p/c/d/"], false), "too deep");
        assert!(!check(true, &[], &["p/"], false), "the question itself");
        assert!(!check(false, &[], &[], true), "empty and more");
    }

    #[test]
    fn a_page_of_a_folder_holds_what_is_directly_in_it() {
        let check = |keys: &[&str], folders: &[&str]| {
            let entries = keys.iter().map(|key| types::Entry {
                key: (*key).into(),
                info: info(),
            });
            let page = scan::ScanPage {
                entries: entries.collect(),
                folders: folders.iter().map(|name| (*name).into()).collect(),
                next: None,
            };
            scan_page("p/", page).map(|page| page.entries.len() + page.folders.len())
        };
        assert_eq!(check(&["p/a", "p/"], &["p/b/", "p//"]).ok(), Some(4));
        assert_eq!(
            check(&[&format!("p/{}", "a".repeat(1023))], &[]).ok(),
            Some(0)
        );
        for key in ["p", "q/a", "p/a/b", ""] {
            assert!(check(&[key], &[]).is_err(), "{key}");
        }
        for folder in ["p/", "p/a", "p/a/b/", "q/"] {
            assert!(check(&[], &[folder]).is_err(), "{folder}");
        }
    }

    #[test]
    fn the_words_of_a_plugin_are_one_line_and_no_longer_than_they_may_be() {
        for text in ["two\nlines \u{1b}[31m\u{9b}2J", &"text ".repeat(1000)] {
            for found in [
                error(Error::Other(text.into())),
                error(Error::Denied(text.into())),
                error(Error::Unavailable(text.into())),
                error(Error::InvalidName(text.into())),
            ] {
                let shown = format!("{found:?} {found}");
                assert!(!found.to_string().contains(char::is_control), "{shown}");
                assert!(shown.len() < 2 * TEXT, "{}", shown.len());
            }
        }
    }

    #[test]
    fn names_that_are_too_long_are_an_error_of_the_plugin() {
        assert!(name(String::new()).is_err());
        assert!(name("x".repeat(256)).is_err());
        let mut long = info();
        long.state.version = "v".repeat(256);
        assert!(object(long).is_err());
    }
}
