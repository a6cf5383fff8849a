//! Whether a store is served in the way it was written in: with the other kind of buckets, or in
//! the other layout, clients see an empty store, or buckets and keys that nobody has made.

use super::Failure;
use super::whereabouts::directory;
use crate::backend::Backend;
use crate::cache::{CacheReader, KnownStore, SqliteCache};
use crate::config::Serve;
use crate::model::BucketName;
use crate::service::BucketMode;
use std::fs::{self, DirEntry};
use std::path::Path;

/// Where the objects of a store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// All in one bucket: `DIR/KEY`.
    Single,
    /// In buckets of the layout `objects`: `DIR/BUCKET/objects/KEY`. Also those of a store that is
    /// no directory.
    Objects,
    /// In buckets of the layout `plain`: `DIR/BUCKET/KEY`.
    Plain,
}

impl Way {
    /// As `--layout` has it.
    fn layout(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Single | Self::Objects => "objects",
        }
    }
}

/// The directory in a bucket that holds its objects, in the layout `objects`.
const OBJECTS: &str = "objects";

/// How many buckets, keys and entries of a directory are looked at: a start must not wait for more.
const BUCKETS: usize = 20;
const KEYS: u64 = 50;
const ENTRIES: usize = 200;

/// What to say before the store is served.
pub(super) fn warning(
    settings: &Serve,
    backend: &Backend,
    cache: &SqliteCache,
) -> Result<Option<String>, Failure> {
    let reader = cache.reader().map_err(Failure::from)?;
    let stores = reader.stores().map_err(Failure::from)?;
    let own = |store: &&KnownStore| store.name == backend.namespace;
    let layout = settings.backend.settings.get("layout");
    let is_plain = layout.is_some_and(|layout| layout.text == "plain");
    let dir = settings
        .data_dir
        .as_ref()
        .and(directory(&backend.namespace));
    let asked = match settings.mode {
        BucketMode::Default => Way::Single,
        BucketMode::Advanced if is_plain && dir.is_some() => Way::Plain,
        BucketMode::Advanced => Way::Objects,
    };
    let Some(dir) = dir else {
        let Some(store) = stores.iter().find(own) else {
            return Ok(None);
        };
        let buckets = reader.buckets(store).map_err(Failure::from)?;
        let found = buckets.into_iter().map(|name| match &*name {
            "" => (Way::Single, name),
            _ => (Way::Objects, name),
        });
        let found = Found::of(&found.collect::<Vec<_>>(), asked);
        return Ok(found.map(|found| found.text(asked, None)));
    };
    let root = Path::new(dir);
    // What was imported does not say of which directory it is; the files do.
    let imported = |store: &&KnownStore| store.imported && store.component == backend.component;
    let mut known = Vec::new();
    for store in stores.iter().filter(|store| own(store) || imported(store)) {
        known.extend(ways(root, &reader, store)?);
    }
    let found = match known[..] {
        [] => looks(root, asked),
        _ => Found::of(&known, asked),
    };
    let layout = if is_plain { Way::Plain } else { Way::Objects };
    Ok(found.map(|found| found.text(asked, Some((dir, layout)))))
}

/// Signs of another way than the one that was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The database knows objects in the one bucket.
    Single,
    /// The database knows objects in these buckets, of the layout `objects` or `plain`.
    Buckets(Way, Vec<String>),
    /// Every directory that can be a bucket looks like one of the layout `objects`.
    LooksLikeObjects,
    /// No directory is a bucket of the layout `objects`.
    NoBuckets,
}

impl Found {
    /// What is known of a store, unless that is what was asked for, too: who has used both ways
    /// need not hear of it for ever.
    fn of(known: &[(Way, String)], asked: Way) -> Option<Self> {
        let is_there = |way| known.iter().any(|(known, _)| *known == way);
        if is_there(asked) {
            return None;
        }
        [Way::Objects, Way::Plain, Way::Single]
            .into_iter()
            .find(|way| is_there(*way))
            .map(|way| {
                if way == Way::Single {
                    return Self::Single;
                }
                let names = known.iter().filter(|(known, _)| *known == way);
                Self::Buckets(way, names.map(|(_, name)| name.clone()).collect())
            })
    }

    /// The warning; for a directory, with the layout that is set.
    fn text(&self, asked: Way, local: Option<(&str, Way)>) -> String {
        let (store, set) = local.map_or(("this store", None), |(dir, set)| (dir, Some(set)));
        let served = match (asked, self) {
            (Way::Single, _) => "as the one bucket `default`",
            (_, Self::Single) => "with buckets that clients make",
            (Way::Objects, _) => "in the layout `objects` (BUCKET/objects/KEY)",
            (Way::Plain, _) => "in the layout `plain` (BUCKET/KEY)",
        };
        let found = match self {
            Self::Single => "the database knows its objects in the one bucket `default`".to_owned(),
            Self::Buckets(_, names) if asked == Way::Single => {
                format!("the database knows its objects in {}", some_of(names))
            }
            Self::Buckets(way, names) => {
                let layout = way.layout();
                let names = some_of(names);
                format!(
                    "the objects that the database knows are in the layout `{layout}`, in {names}"
                )
            }
            Self::LooksLikeObjects => {
                "each of its directories looks like a bucket of the layout `objects` \
                 (BUCKET/objects/KEY)"
                    .to_owned()
            }
            Self::NoBuckets => "none of its directories is a bucket of that layout".to_owned(),
        };
        let remedy = match self {
            Self::Single => "leave --allow-bucket-creation out".to_owned(),
            Self::NoBuckets => "add --layout plain if they are the buckets, or leave \
                 --allow-bucket-creation out if all is the one bucket `default`"
                .to_owned(),
            Self::Buckets(..) | Self::LooksLikeObjects => {
                let written = match self {
                    Self::Buckets(way, _) => *way,
                    _ => Way::Objects,
                };
                let buckets = (asked == Way::Single).then_some("--allow-bucket-creation");
                let layout = set.filter(|set| *set != written);
                let layout = layout.map(|_| format!("--layout {}", written.layout()));
                let options = buckets.map(str::to_owned).into_iter().chain(layout);
                format!("use {}", options.collect::<Vec<_>>().join(" "))
            }
        };
        format!("{store} is served {served}, but {found}: {remedy}.")
    }
}

/// In which ways the objects that are known of a store lie in a directory, and in which buckets.
fn ways(
    root: &Path,
    reader: &CacheReader,
    store: &KnownStore,
) -> Result<Vec<(Way, String)>, Failure> {
    let mut found = Vec::new();
    let buckets = reader.buckets(store).map_err(Failure::from)?;
    for bucket in buckets.into_iter().take(BUCKETS) {
        let places = if bucket.is_empty() {
            vec![(Way::Single, root.to_owned())]
        } else {
            let plain = root.join(&bucket);
            vec![(Way::Objects, plain.join(OBJECTS)), (Way::Plain, plain)]
        };
        let keys = reader.objects_behind(store, &bucket, None, KEYS);
        let keys = keys.map_err(Failure::from)?;
        for (way, place) in places {
            let is_there = |key: &str| !key.starts_with('/') && place.join(key).is_file();
            if keys.iter().any(|(key, _)| is_there(key.as_str())) {
                found.push((way, bucket.clone()));
            }
        }
    }
    Ok(found)
}

/// What the first entries of a directory say of which nothing is known. Signs that an ordinary
/// tree of files may have, too, are none.
fn looks(root: &Path, asked: Way) -> Option<Found> {
    let mut dirs = 0;
    for entry in visible(root)?.take(ENTRIES) {
        let is_dir = is_dir(&entry);
        let can_be_bucket = is_dir
            && entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.parse::<BucketName>().is_ok());
        match asked {
            Way::Single if !(can_be_bucket && is_nothing_but_bucket(&entry)) => return None,
            Way::Plain if can_be_bucket && !is_nothing_but_bucket(&entry) => return None,
            Way::Objects if can_be_bucket && entry.path().join(OBJECTS).is_dir() => return None,
            Way::Plain => dirs += u64::from(can_be_bucket),
            _ => dirs += u64::from(is_dir),
        }
    }
    match asked {
        _ if dirs == 0 => None,
        Way::Objects => Some(Found::NoBuckets),
        _ => Some(Found::LooksLikeObjects),
    }
}

/// Whether a directory has `objects` in it and nothing else.
fn is_nothing_but_bucket(bucket: &DirEntry) -> bool {
    let Some(entries) = visible(&bucket.path()) else {
        return false;
    };
    let names = entries.map(|entry| (entry.file_name() == OBJECTS, is_dir(&entry)));
    let names: Vec<_> = names.take(2).collect();
    names == [(true, true)]
}

fn is_dir(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// The entries of a directory without what the program, the ancestor, file systems and other
/// programs keep there beside the objects.
fn visible(dir: &Path) -> Option<impl Iterator<Item = DirEntry> + use<>> {
    let entries = fs::read_dir(dir).ok()?;
    Some(entries.flatten().filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        !name.starts_with(['.', '@', '#', '$']) && name != "lost+found"
    }))
}

/// So many names that a line can hold them.
pub(super) fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    let word = if names.len() == 1 {
        "bucket"
    } else {
        "buckets"
    };
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the {word} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a directory with these files looks like to somebody who asks for each way.
    fn seen(files: &[&str]) -> [Option<Found>; 3] {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if file.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else {
                fs::write(path, "").unwrap();
            }
        }
        [Way::Single, Way::Objects, Way::Plain].map(|asked| looks(dir.path(), asked))
    }

    #[test]
    fn nothing_is_said_of_a_directory_without_a_sign() {
        let none = [None, None, None];
        assert_eq!(seen(&[]), none);
        let odd = [
            ".pys3local/tmp/x",
            "lost+found/",
            ".git/objects/x",
            "@eaDir/x",
            ".DS_Store",
            "README",
        ];
        assert_eq!(seen(&odd), none);
        assert_eq!(looks(Path::new("/nonexistent"), Way::Objects), None);
    }

    #[test]
    fn a_store_with_buckets_is_seen_where_one_bucket_or_the_plain_layout_is_asked_for() {
        let like_objects = || Some(Found::LooksLikeObjects);
        for files in [
            &["photos/objects/a", "music/objects/", ".pys3local/x"][..],
            // The Python program's.
            &["photos/objects/a", "photos/.metadata/a.json"],
        ] {
            assert_eq!(seen(files), [like_objects(), None, like_objects()]);
        }
    }

    #[test]
    fn what_may_be_a_tree_of_files_is_not_taken_for_buckets() {
        let [single, objects, plain] = seen(&["repo.git/objects/a", "repo.git/HEAD"]);
        assert_eq!((single, objects, plain), (None, None, None));
        let [single, objects, plain] = seen(&["photos/objects/a", "letters/a"]);
        assert_eq!((single, objects, plain), (None, None, None));
        let [single, ..] = seen(&["photos/objects/a", "letter"]);
        assert_eq!(single, None);
    }

    #[test]
    fn a_tree_without_buckets_of_the_layout_objects_is_seen_where_that_is_asked_for() {
        for files in [&["photos/a", "letter"][..], &["My Photos/a"]] {
            assert_eq!(seen(files), [None, Some(Found::NoBuckets), None]);
        }
    }

    #[test]
    fn who_has_used_both_ways_is_not_told() {
        let known = |ways: &[Way]| -> Vec<_> {
            let name = |way: &Way| format!("{way:?}").to_lowercase();
            ways.iter().map(|way| (*way, name(way))).collect()
        };
        let both = known(&[Way::Single, Way::Objects]);
        assert_eq!(Found::of(&both, Way::Single), None);
        assert_eq!(Found::of(&both, Way::Objects), None);
        let expected = Found::Buckets(Way::Objects, vec!["objects".into()]);
        assert_eq!(Found::of(&both, Way::Plain), Some(expected));
        assert_eq!(Found::of(&[], Way::Plain), None);
    }

    #[test]
    fn the_option_that_fits_is_named() {
        let objects = Found::Buckets(Way::Objects, vec!["photos".into()]);
        let plain = Found::Buckets(Way::Plain, vec!["photos".into()]);
        let local = |layout| Some(("/s", layout));
        let texts = [
            objects.text(Way::Single, local(Way::Objects)),
            objects.text(Way::Single, None),
            plain.text(Way::Single, local(Way::Objects)),
            plain.text(Way::Single, local(Way::Plain)),
            plain.text(Way::Objects, local(Way::Objects)),
            objects.text(Way::Plain, local(Way::Plain)),
            Found::Single.text(Way::Objects, local(Way::Objects)),
            Found::Single.text(Way::Plain, local(Way::Plain)),
            Found::LooksLikeObjects.text(Way::Single, local(Way::Objects)),
            Found::LooksLikeObjects.text(Way::Plain, local(Way::Plain)),
            Found::NoBuckets.text(Way::Objects, local(Way::Objects)),
        ];
        insta::assert_snapshot!(texts.join("\n"), @r"
        /s is served as the one bucket `default`, but the database knows its objects in the bucket photos: use --allow-bucket-creation.
        this store is served as the one bucket `default`, but the database knows its objects in the bucket photos: use --allow-bucket-creation.
        /s is served as the one bucket `default`, but the database knows its objects in the bucket photos: use --allow-bucket-creation --layout plain.
        /s is served as the one bucket `default`, but the database knows its objects in the bucket photos: use --allow-bucket-creation.
        /s is served in the layout `objects` (BUCKET/objects/KEY), but the objects that the database knows are in the layout `plain`, in the bucket photos: use --layout plain.
        /s is served in the layout `plain` (BUCKET/KEY), but the objects that the database knows are in the layout `objects`, in the bucket photos: use --layout objects.
        /s is served with buckets that clients make, but the database knows its objects in the one bucket `default`: leave --allow-bucket-creation out.
        /s is served with buckets that clients make, but the database knows its objects in the one bucket `default`: leave --allow-bucket-creation out.
        /s is served as the one bucket `default`, but each of its directories looks like a bucket of the layout `objects` (BUCKET/objects/KEY): use --allow-bucket-creation.
        /s is served in the layout `plain` (BUCKET/KEY), but each of its directories looks like a bucket of the layout `objects` (BUCKET/objects/KEY): use --layout objects.
        /s is served in the layout `objects` (BUCKET/objects/KEY), but none of its directories is a bucket of that layout: add --layout plain if they are the buckets, or leave --allow-bucket-creation out if all is the one bucket `default`.
        ");
    }
}
