//! Key segments and the names of Drime's files and folders.
//!
//! A key is split at its slashes and each segment is one name; ordinary keys are ordinary
//! paths. What Drime would change or refuse is escaped behind `%%`:
//!
//! | in the key | in Drime |
//! |---|---|
//! | an empty segment (`a//b`, a trailing `/`) | `%%e` |
//! | the segments `.`, `..` and `0` | `%%2E`, `%%2E.`, `%%30` |
//! | a backslash, a control character | `%%5C`, `%%0A`, … |
//! | white space or an invisible character at either end | its bytes, `%%20` say |
//! | text that would read as an escape | its first `%` becomes `%%25` |
//! | a name longer than 255 bytes | folders of up to 240 bytes and `%%c`, then the rest |
//! | a folder whose name is taken by a file, or by one that differs in case | the name, `%%d` and a checksum of it |
//!
//! Only these escapes are read back, and only where they would be written.

use std::fmt::Write as _;

/// The longest name, in bytes.
const MAX_NAME: usize = 255;
/// Where longer ones are cut.
const CUT: usize = 240;
const CONTINUED: &str = "%%c";
const ASIDE: &str = "%%d";
const EMPTY: &str = "%%e";

/// What a name in Drime stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A segment, or the end of a long one.
    Whole(String),
    /// The beginning of a segment that goes on with the names in this folder.
    Continued(String),
}

/// The names of a segment: all but the last are folders that carry its beginning.
pub fn encode(segment: &str) -> Vec<String> {
    let whole = name(segment);
    if whole.len() <= MAX_NAME - ASIDE.len() - 8 {
        return vec![whole];
    }
    let (mut names, mut rest) = (Vec::new(), segment);
    loop {
        let plain = name(rest);
        if plain.len() <= MAX_NAME - ASIDE.len() - 8 {
            names.push(plain);
            return names;
        }
        let mut end = 0;
        for (at, c) in rest.char_indices() {
            let next = at + c.len_utf8();
            if name(rest.get(..next).unwrap_or_default()).len() > CUT {
                break;
            }
            end = next;
        }
        let (head, tail) = rest.split_at(end);
        names.push(name(head) + CONTINUED);
        rest = tail;
    }
}

/// The name of a folder for a segment whose ordinary name is taken by something else.
pub fn aside(ordinary: &str) -> String {
    format!("{ordinary}{ASIDE}{:08x}", checksum(ordinary))
}

/// What a name stands for; `None` if it is none that [`encode`] gives.
pub fn decode(text: &str) -> Option<Decoded> {
    if let Some((ordinary, sum)) = text.rsplit_once(ASIDE)
        && sum.len() == 8
        && sum == format!("{:08x}", checksum(ordinary))
    {
        return decode_ordinary(ordinary);
    }
    decode_ordinary(text)
}

fn decode_ordinary(text: &str) -> Option<Decoded> {
    if let Some(head) = text.strip_suffix(CONTINUED)
        && let Some(head) = unescape(head)
        && !head.is_empty()
    {
        return Some(Decoded::Continued(head));
    }
    unescape(text).map(Decoded::Whole)
}

fn checksum(text: &str) -> u32 {
    // FNV-1a: only different for names that differ in case.
    text.bytes().fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// White space and what Laravel's input filter trims besides.
fn is_trimmed(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\u{FEFF}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202F}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{115F}' | '\u{1160}' | '\u{17B4}'
            | '\u{17B5}' | '\u{FFA0}' | '\u{FFFC}' | '\u{2800}' | '\u{00AD}' | '\u{034F}'
            | '\u{061C}')
}

fn name(segment: &str) -> String {
    match segment {
        "" => return EMPTY.into(),
        "." => return "%%2E".into(),
        ".." => return "%%2E.".into(),
        "0" => return "%%30".into(),
        _ => {}
    }
    let inner = segment.trim_matches(is_trimmed);
    let start = segment.len() - segment.trim_start_matches(is_trimmed).len();
    let end = start + inner.len();
    let mut name = String::with_capacity(segment.len());
    for (at, c) in segment.char_indices() {
        let rest = segment.get(at..).unwrap_or_default();
        if c == '\\' || c.is_ascii_control() || at < start || at >= end {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(name, "%%{byte:02X}");
            }
        } else if c == '%' && rest.starts_with("%%") {
            name.push_str("%%25");
        } else {
            name.push(c);
        }
    }
    name
}

fn unescape(text: &str) -> Option<String> {
    if text == EMPTY {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(code) = rest.strip_prefix("%%").and_then(|after| after.get(..2))
            && let Ok(byte) = u8::from_str_radix(code, 16)
        {
            bytes.push(byte);
            rest = rest.get(4..).unwrap_or_default();
            continue;
        }
        let mut buffer = [0; 4];
        bytes.extend(c.encode_utf8(&mut buffer).bytes());
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    let segment = String::from_utf8(bytes).ok()?;
    // Anything else is not ours, and would be a second name of the same key.
    (name(&segment) == text && !segment.contains('/')).then_some(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(names: &[String]) -> Option<String> {
        let (last, heads) = names.split_last()?;
        let mut segment = String::new();
        for head in heads {
            match decode(head)? {
                Decoded::Continued(part) => segment += &part,
                Decoded::Whole(_) => return None,
            }
        }
        match decode(last)? {
            Decoded::Whole(part) => Some(segment + &part),
            Decoded::Continued(_) => None,
        }
    }

    #[test]
    fn ordinary_segments_are_their_own_names() {
        for plain in [
            "a",
            "report (1).pdf",
            "100%",
            "a%41",
            "é",
            ".hidden",
            "00",
            "A",
        ] {
            assert_eq!(encode(plain), [plain]);
        }
    }

    #[test]
    fn every_segment_comes_back_from_its_names() {
        let long = "é".repeat(512);
        let hard = "\u{1}".repeat(1024);
        let spaces = " ".repeat(700);
        let percents = "%".repeat(900);
        for odd in [
            "",
            ".",
            "..",
            "0",
            "a\\b",
            " a ",
            "\t",
            "\n",
            "%%",
            "%%%",
            "%%41",
            "%%c",
            "a%%c",
            "%%e",
            "x%%d00000000",
            "\u{200b}a",
            "a\u{a0}",
            "\u{7f}",
            "%%2E",
            "🦀",
            &long,
            &hard,
            &spaces,
            &percents,
        ] {
            let names = encode(odd);
            assert!(names.iter().all(|name| name.len() <= 255), "{odd:?}");
            assert!(
                names
                    .iter()
                    .all(|name| name.trim() == name && !name.is_empty())
            );
            assert_eq!(back(&names).as_deref(), Some(odd), "{names:?}");
            for ordinary in &names {
                assert!(aside(ordinary).len() <= 255);
                assert_eq!(decode(&aside(ordinary)), decode(ordinary));
            }
        }
    }

    #[test]
    fn names_that_encode_never_gives_stand_for_nothing() {
        for foreign in ["%%41", "%%2e", "a%%20b", "%%2F"] {
            assert_eq!(decode(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn folders_aside_differ_from_each_other_even_when_case_does_not_count() {
        let (one, other) = (aside("Docs"), aside("DOCS"));
        assert!(!one.eq_ignore_ascii_case(&other));
        assert!(!one.eq_ignore_ascii_case("docs"));
    }
}
