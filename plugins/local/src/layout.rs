//! Keys and file names.
//!
//! A key is split at its slashes, and each segment is one file name; ordinary keys are ordinary
//! paths. What a file system cannot hold is escaped behind `%%`:
//!
//! | in the key | on disk |
//! |---|---|
//! | an empty segment (`a//b`, a trailing `/`) | `%%e` |
//! | the segments `.` and `..` | `%%2E`, `%%2E.` |
//! | a first segment `.pys3local` | `%%2Epys3local` |
//! | a NUL byte | `%%00` |
//! | text that would read as an escape | its first `%` becomes `%%25` |
//! | a name longer than 255 bytes | directories of up to 252 bytes and `%%c`, then the rest |
//! | an object whose name is taken by a directory | the name and `%%f` |
//! | a directory whose name is taken by an object | the name and `%%d` |
//!
//! Only these escapes are read back, and only where they would be written: `100%%`, `%%41` or
//! `a%%2Eb` are themselves in a key as on disk. Apart from the last three rows, every file
//! name stands for exactly one segment and the other way round.

use std::borrow::Cow;

/// The directory of the storage's root that holds what is not an object.
pub const PRIVATE: &str = ".pys3local";
/// The longest file name, in bytes.
pub const MAX_NAME: usize = 255;
/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;

const MARK_LEN: usize = 3;

/// Which of its possible names an object or directory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The ordinary name.
    None,
    /// `%%f`: an object beside a directory of its name.
    File,
    /// `%%d`: a directory beside an object of its name.
    Directory,
    /// `%%c`: a directory that holds the continuation of a long name.
    Continued,
}

impl Mark {
    fn text(self) -> &'static str {
        match self {
            Self::None => "",
            Self::File => "%%f",
            Self::Directory => "%%d",
            Self::Continued => "%%c",
        }
    }
}

/// The ordinary path of a key, below its bucket.
pub fn path(key: &str) -> Cow<'_, str> {
    if is_ordinary(key) {
        return Cow::Borrowed(key);
    }
    let mut path = String::with_capacity(key.len() + 16);
    for (i, segment) in key.split('/').enumerate() {
        if i > 0 {
            path.push('/');
        }
        push_name(&mut path, segment, i == 0, Mark::None);
    }
    Cow::Owned(path)
}

/// Whether the key is its own path: one pass, no allocation.
fn is_ordinary(key: &str) -> bool {
    !key.contains("%%")
        && !key.contains('\0')
        && key.split('/').enumerate().all(|(i, s)| {
            s.len() <= MAX_NAME && !matches!(s, "" | "." | "..") && (i > 0 || s != PRIVATE)
        })
}

/// Append the name of a segment; two or more, joined by slashes, if it is long. `first` says
/// that the segment starts the key.
pub fn push_name(path: &mut String, segment: &str, first: bool, mark: Mark) {
    let escaped = escape(segment, first);
    let mut rest: &str = &escaped;
    let room = if mark == Mark::None {
        MAX_NAME
    } else {
        MAX_NAME - MARK_LEN
    };
    while rest.len() > room {
        let (piece, more) = rest.split_at(rest.floor_char_boundary(MAX_NAME - MARK_LEN));
        path.push_str(piece);
        path.push_str(Mark::Continued.text());
        path.push('/');
        rest = more;
    }
    path.push_str(rest);
    path.push_str(mark.text());
}

/// Take a file name apart. None if the mark stands where we would not have set it.
pub fn split_mark(name: &str) -> Option<(&str, Mark)> {
    for mark in [Mark::File, Mark::Directory, Mark::Continued] {
        if let Some(body) = name.strip_suffix(mark.text()) {
            let doubled = mark != Mark::Continued && ends_in_mark(body);
            return (!body.is_empty() && !doubled).then_some((body, mark));
        }
    }
    Some((name, Mark::None))
}

fn ends_in_mark(body: &str) -> bool {
    body.strip_suffix(['f', 'd', 'c'])
        .is_some_and(|b| b.ends_with("%%"))
}

/// Whether the text behind a `%%` makes it one of our escapes. `start`: the `%%` starts the
/// name; `first`: and the name starts the path.
fn is_escape(behind: &str, start: bool, first: bool) -> bool {
    let mut code = behind;
    // `%%25` is an escape if the `%` that it stands for would otherwise start one.
    while let Some(next) = code.strip_prefix("25%") {
        code = next;
    }
    code.starts_with("00")
        || matches!(code, "f" | "d" | "c")
        || start && matches!(code, "e" | "2E" | "2E.")
        || start && first && code.strip_prefix("2E") == PRIVATE.strip_prefix('.')
}

/// A segment as a file name of any length.
fn escape(segment: &str, first: bool) -> Cow<'_, str> {
    match segment {
        "" => return Cow::Borrowed("%%e"),
        "." => return Cow::Borrowed("%%2E"),
        ".." => return Cow::Borrowed("%%2E."),
        PRIVATE if first => return Cow::Owned(format!("%%2E{}", segment.trim_start_matches('.'))),
        _ if !segment.contains("%%") && !segment.contains('\0') => return Cow::Borrowed(segment),
        _ => {}
    }
    let mut name = String::with_capacity(segment.len() + 16);
    let mut rest = segment;
    while let Some((before, from)) = rest
        .find(['%', '\0'])
        .and_then(|at| rest.split_at_checked(at))
    {
        name.push_str(before);
        name.push_str(match from.strip_prefix("%%") {
            Some(behind) if is_escape(behind, from.len() == segment.len(), first) => "%%25",
            _ if from.starts_with('%') => "%",
            _ => "%%00",
        });
        rest = from.get(1..).unwrap_or_default();
    }
    name.push_str(rest);
    Cow::Owned(name)
}

/// The segment that a name without its mark stands for.
pub fn unescape(name: &str, first: bool) -> Cow<'_, str> {
    if !name.contains("%%") {
        return Cow::Borrowed(name);
    }
    let mut segment = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("%%") {
        let (before, from) = rest.split_at(at);
        segment.push_str(before);
        let start = from.len() == name.len();
        let behind = from.get(2..).unwrap_or_default();
        let (text, taken) = match behind.get(..2) {
            _ if !is_escape(behind, start, first) => ("%", 1),
            Some("00") => ("\0", 4),
            Some("25") => ("%", 4),
            Some("2E") => (".", 4),
            _ if behind == "e" => ("", 3),
            _ => ("%", 1), // a mark in the middle of a long name
        };
        segment.push_str(text);
        rest = from.get(taken..).unwrap_or_default();
    }
    segment.push_str(rest);
    Cow::Owned(segment)
}

/// Whether a directory name may be a bucket.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub fn is_bucket_name(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|b| inner(b) || b == b'.' || b == b'-')
        && name.bytes().next().is_some_and(inner)
        && name.bytes().next_back().is_some_and(inner)
        && !name.contains("..")
}

/// `base/name`, or `name` if the base is the root.
pub fn join(base: &str, name: &str) -> String {
    let mut path = String::with_capacity(base.len() + name.len() + 1);
    path.push_str(base);
    if !base.is_empty() {
        path.push('/');
    }
    path.push_str(name);
    path
}

/// The path of a segment's entry in a directory.
pub fn child(dir: &str, segment: &str, first: bool, mark: Mark) -> String {
    let mut path = String::with_capacity(dir.len() + segment.len() + 8);
    path.push_str(dir);
    if !dir.is_empty() {
        path.push('/');
    }
    push_name(&mut path, segment, first, mark);
    path
}

/// The directory of a path; empty for the root.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_keys_are_ordinary_paths() {
        for key in [
            "a",
            "a/b.txt",
            "100%/x",
            "50%%",
            "%%41",
            "a%%2Eb",
            ".hidden",
            "x/.pys3local",
        ] {
            assert_eq!(path(key), key);
        }
    }

    #[test]
    fn the_table_of_escapes_holds() {
        let table = [
            ("a//b", "a/%%e/b"),
            ("a/", "a/%%e"),
            ("/a", "%%e/a"),
            ("../.", "%%2E./%%2E"),
            (".pys3local/x", "%%2Epys3local/x"),
            ("a\0", "a%%00"),
            ("%\0", "%%%00"),
            ("%%e", "%%25%e"),
            ("%%ex", "%%ex"),
            ("a%%f", "a%%25%f"),
            ("%%25%%00", "%%25%%25%00"),
            ("%%2Epys3local", "%%25%2Epys3local"),
            ("a/%%2Epys3local", "a/%%2Epys3local"),
        ];
        for (key, expected) in table {
            assert_eq!(path(key), expected, "{key:?}");
        }
    }

    /// The segment of a path without alternates, and whether all its names are legal.
    fn read_back(path: &str, first: bool) -> Option<String> {
        let mut whole = String::new();
        for (at, name) in path.split('/').enumerate() {
            let last = at == path.matches('/').count();
            if name.is_empty() || name.len() > MAX_NAME || matches!(name, "." | "..") {
                return None;
            }
            let (body, mark) = split_mark(name)?;
            if mark != if last { Mark::None } else { Mark::Continued } {
                return None;
            }
            whole.push_str(body);
        }
        Some(unescape(&whole, first).into_owned())
    }

    fn segment() -> impl Strategy<Value = String> {
        prop_oneof![
            "[%025EeFfdc.\0]{0,14}",
            "[^/]{0,20}",
            "(%%|%|25|00|%%f|2E|2Epys3local|x){0,9}",
            "[a%f\0é]{240,300}",
            "(\0|%%f|\u{1f980}|y){100,300}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn every_segment_comes_back_from_legal_names(segment in segment(), first: bool) {
            let mut path = String::new();
            push_name(&mut path, &segment, first, Mark::None);
            prop_assert_eq!(read_back(&path, first), Some(segment), "{:?}", path);
        }

        #[test]
        fn an_alternate_name_is_legal_and_leads_back(segment in segment(), first: bool) {
            for mark in [Mark::File, Mark::Directory] {
                let mut path = String::new();
                push_name(&mut path, &segment, first, mark);
                let (dirs, last) = path.rsplit_once('/').unwrap_or(("", &path));
                prop_assert!(last.len() <= MAX_NAME);
                let (body, found) = split_mark(last).unwrap();
                prop_assert_eq!(found, mark);
                let mut whole: String = dirs.split('/').map(|dir| {
                    assert!(dir.len() <= MAX_NAME);
                    dir.strip_suffix("%%c").unwrap_or_default()
                }).collect();
                whole.push_str(body);
                prop_assert_eq!(unescape(&whole, first), segment.as_str());
            }
        }

        #[test]
        fn every_file_name_without_a_mark_is_its_segments_name(
            name in prop_oneof!["[%025EeFfdc.x]{1,14}", "(%%|%|25|00|e|f|2E|2Epys3local|x){1,9}"],
            first: bool,
        ) {
            prop_assume!(!matches!(name.as_str(), "." | ".."));
            prop_assume!(!first || name != PRIVATE);
            if let Some((body, Mark::None)) = split_mark(&name) {
                let mut again = String::new();
                push_name(&mut again, &unescape(body, first), first, Mark::None);
                prop_assert_eq!(again, name);
            }
        }

        #[test]
        fn two_keys_never_share_a_path(a in "[a/.%e2E\0]{1,8}", b in "[a/.%e2E\0]{1,8}") {
            prop_assert_eq!(path(&a) == path(&b), a == b);
        }
    }
}
