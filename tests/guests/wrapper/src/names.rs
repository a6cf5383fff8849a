//! Keys as paths: the hexadecimal digits of their bytes, whose order is that of the keys, cut
//! into names that a file system can hold.

/// Digits in one name: 200, so that a name with its ending is well below 255 bytes.
const NAME: usize = 200;
/// Ends the name of an object, and so tells it from a directory.
const OBJECT: &str = ".o";

/// The path of an object below its bucket.
pub(crate) fn path(key: &str) -> String {
    let mut path = String::with_capacity(key.len() * 2 + 16);
    for (index, byte) in key.bytes().enumerate() {
        if index > 0 && (index * 2) % NAME == 0 {
            path.push('/');
        }
        for digit in [byte >> 4, byte & 15] {
            path.extend(char::from_digit(digit.into(), 16));
        }
    }
    path + OBJECT
}

/// The key of a path, if it is one of ours.
pub(crate) fn key(path: &str) -> Option<String> {
    let digits: Vec<u8> = path
        .strip_suffix(OBJECT)?
        .chars()
        .filter(|&c| c != '/')
        .map(|c| c.to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_its_key_back() {
        for text in ["a", "//", "..", "é", &"x".repeat(1024)] {
            let path = path(text);
            assert!(path.split('/').all(|name| name.len() <= 255));
            assert_eq!(key(&path).as_deref(), Some(text));
        }
    }
}
