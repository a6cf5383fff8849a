//! Keys as paths: the hexadecimal digits of their bytes, so that any key will do, cut into names
//! that a file system can hold. Sorted paths are sorted keys.

/// Digits in one name: with the ending it stays well below 255 bytes.
const DIGITS: usize = 200;
/// Tells an object from a directory.
const ENDING: &str = ".sealed";

/// The path of an object below its bucket.
pub fn path(key: &str) -> String {
    let digits: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let pieces: Vec<&str> = (0..digits.len())
        .step_by(DIGITS)
        .filter_map(|start| digits.get(start..digits.len().min(start + DIGITS)))
        .collect();
    pieces.join("/") + ENDING
}

/// The key of a path; `None` for somebody else's file.
pub fn key(path: &str) -> Option<String> {
    let digits = path.strip_suffix(ENDING)?.replace('/', "");
    let bytes = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_its_key_back() {
        for text in ["a", "a/b", "//", "..", "é", &"x".repeat(1024)] {
            let path = path(text);
            assert!(path.split('/').all(|name| name.len() <= 255));
            assert_eq!(key(&path).as_deref(), Some(text));
        }
    }

    #[test]
    fn files_of_others_have_no_key() {
        for path in ["notes.txt", "6.sealed", "zz.sealed", "ff.sealed"] {
            assert_eq!(key(path), None, "{path}");
        }
    }
}
