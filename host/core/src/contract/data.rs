//! Bytes to store: reproducible, without patterns that hide a mix-up of offsets.

use bytes::Bytes;
use md5::{Digest, Md5};
use std::time::{SystemTime, UNIX_EPOCH};

/// `size` bytes that depend on `seed` alone.
pub fn bytes(seed: u64, size: usize) -> Bytes {
    let mut all = Vec::with_capacity(size + 8);
    let mut random = Random::new(seed);
    while all.len() < size {
        all.extend_from_slice(&random.next().to_le_bytes());
    }
    all.truncate(size);
    all.into()
}

/// Up to 32 bytes that tell `key` from every other one.
pub fn stamp_of(key: &str) -> String {
    md5_hex(key.as_bytes())
}

/// MD5 in hexadecimal digits: the `ETag` of an object that is put in one piece.
pub fn md5_hex(data: &[u8]) -> String {
    hex::encode(Md5::digest(data))
}

/// The tag of an object that was put in these parts.
pub fn multipart_etag(parts: &[impl AsRef<[u8]>]) -> String {
    let mut all = Md5::new();
    for part in parts {
        all.update(Md5::digest(part.as_ref()));
    }
    format!("{}-{}", hex::encode(all.finalize()), parts.len())
}

/// Keys that a path-minded storage gets wrong, all different. Sorted by their bytes.
pub fn odd_keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        // A file beside a directory of its name, and names that sort around the slash.
        "a",
        "a/",
        "a/b",
        "a/b/",
        "a/b/c",
        "a!",
        "a-b",
        "a.b",
        "a0",
        "A",
        "A/B",
        // What a path would fold together.
        "a//b",
        "a///b",
        "//",
        "/",
        "/a",
        "./a",
        "a/./b",
        "a/../b",
        "..",
        ".",
        "../../etc/passwd",
        "a/..",
        "...",
        "a/...",
        "~",
        "~/a",
        // Names with a meaning to some storage.
        "objects",
        "objects/a",
        ".tmp",
        ".tmp/a",
        ".pys3local",
        ".pys3local/a",
        "tmp/x",
        "lost+found",
        "CON",
        "nul.txt",
        "a:b",
        "a|b",
        "a?b",
        "a*b",
        "a\"b",
        "a<b>c",
        "back\\slash",
        "tail.",
        "tail ",
        // What an encoding may do twice, or not at all.
        "%",
        "%2F",
        "%2f",
        "%00",
        "a%2Fb",
        "100% sure",
        "a+b",
        "a b",
        "a&b",
        "a=b",
        "a;b",
        "a#b",
        "a'b",
        "=",
        "_",
        // Control characters and characters of two, three and four bytes.
        "\u{1}",
        "tab\tkey",
        "line\nbreak",
        "cr\rkey",
        "\u{7f}",
        "é",
        "e\u{301}",
        "ß/ẞ",
        "日本語/キー",
        "🦀",
        "🦀/🦀",
        "👩‍👩‍👧",
        "\u{feff}bom",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{e000}",
        "\u{200b}",
    ]
    .map(str::to_owned)
    .into();
    // As long as a key may be: one name, a deep path, and one made of characters that grow when
    // they are escaped.
    keys.push("x".repeat(1024));
    keys.push("d/".repeat(512));
    keys.push("/".repeat(1024));
    keys.push("%".repeat(1024));
    keys.push("é".repeat(512));
    keys.push("n".repeat(255));
    keys.push(format!("{}/f", "n".repeat(256)));
    keys.sort();
    keys
}

/// A small generator of pseudo-random numbers (xorshift64*), so that a failing test can be
/// repeated from its seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence that depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give similar sequences.
        let mixed = (seed ^ 0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        Self((mixed ^ (mixed >> 29)) | 1)
    }

    /// A seed from the clock, for tests that want other values on each run. They print it.
    pub fn seed() -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(1, |time| u64::from(time.subsec_nanos()) ^ time.as_secs())
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from 0 to `limit` - 1.
    pub fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit.max(1)).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }
}
