//! The format of a file: a mark, 16 random bytes that name this state of the object, and then
//! blocks of 64 KiB, each sealed by XChaCha20-Poly1305 under its own number. The last block is
//! marked as the last, so that a file cannot be cut at a block's end, and each is bound to the
//! bucket and key that it was stored under.

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};

/// Bytes of an object in one block.
pub const BLOCK: u64 = 64 * 1024;
/// Bytes of a block's tag.
const TAG: u64 = 16;
/// Bytes of a whole block in the file.
const SEALED: u64 = BLOCK + TAG;
const MARK: &[u8; 8] = b"vault-1\n";
/// Bytes in front of the blocks.
pub const HEADER: u64 = 24;

/// The state that a file holds.
pub type State = [u8; 16];

/// The header of a file.
pub fn header(state: &State) -> Vec<u8> {
    [MARK.as_slice(), state].concat()
}

/// What a header says; `None` for a file that is not ours.
pub fn state(header: &[u8]) -> Option<State> {
    header.strip_prefix(MARK)?.try_into().ok()
}

/// Bytes of the object in a file of `length` bytes; `None` if no object makes such a file.
pub fn size(length: u64) -> Option<u64> {
    let sealed = length.checked_sub(HEADER)?;
    let blocks = sealed.div_ceil(SEALED).max(1);
    let size = sealed.checked_sub(blocks * TAG)?;
    (blocks_of(size) == blocks).then_some(size)
}

/// How many blocks an object has: an empty one has an empty block.
pub fn blocks_of(size: u64) -> u64 {
    size.div_ceil(BLOCK).max(1)
}

/// Where a block begins in the file.
pub fn place(block: u64) -> u64 {
    HEADER + block * SEALED
}

/// Seals and opens the blocks of one object.
pub struct Seal {
    cipher: XChaCha20Poly1305,
    state: State,
    name: Vec<u8>,
}

impl Seal {
    pub fn new(key: &[u8; 32], state: State, bucket: &str, name: &str) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(Key::from_slice(key)),
            state,
            name: [bucket, "\0", name].concat().into_bytes(),
        }
    }

    fn nonce(&self, block: u64, last: bool) -> XNonce {
        let number = block | u64::from(last) << 63;
        let mut nonce = XNonce::default();
        let parts = self.state.iter().copied().chain(number.to_be_bytes());
        nonce
            .iter_mut()
            .zip(parts)
            .for_each(|(to, from)| *to = from);
        nonce
    }

    /// Encrypts a block where it is and appends its tag.
    pub fn close(&self, block: u64, last: bool, bytes: &mut Vec<u8>) -> Result<(), Broken> {
        let nonce = self.nonce(block, last);
        let tag = self
            .cipher
            .encrypt_in_place_detached(&nonce, &self.name, bytes);
        bytes.extend_from_slice(&tag.map_err(|_| Broken)?);
        Ok(())
    }

    /// Decrypts a block where it is and takes its tag off, or says that it is not what was stored.
    pub fn open(&self, block: u64, last: bool, bytes: &mut Vec<u8>) -> Result<(), Broken> {
        let length = bytes.len().checked_sub(16).ok_or(Broken)?;
        let tag = Tag::clone_from_slice(&bytes.split_off(length));
        let nonce = self.nonce(block, last);
        self.cipher
            .decrypt_in_place_detached(&nonce, &self.name, bytes, &tag)
            .map_err(|_| Broken)
    }
}

/// A block is not what was stored under this key.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken;

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(name: &str) -> Seal {
        Seal::new(&[7; 32], [9; 16], "bucket", name)
    }

    #[test]
    fn a_block_opens_only_as_what_it_was() {
        let mut sealed = b"some bytes".to_vec();
        seal("a").close(3, false, &mut sealed).unwrap();
        let open = |seal: Seal, block, last| {
            let mut bytes = sealed.clone();
            seal.open(block, last, &mut bytes).map(|()| bytes)
        };
        assert_eq!(open(seal("a"), 3, false).as_deref(), Ok(&b"some bytes"[..]));
        assert_eq!(open(seal("b"), 3, false), Err(Broken));
        assert_eq!(open(seal("a"), 4, false), Err(Broken));
        assert_eq!(open(seal("a"), 3, true), Err(Broken));
        assert_eq!(
            open(Seal::new(&[8; 32], [9; 16], "bucket", "a"), 3, false),
            Err(Broken)
        );
    }

    #[test]
    fn the_size_of_an_object_follows_from_the_length_of_its_file() {
        for bytes in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 5] {
            let length = HEADER + bytes + blocks_of(bytes) * TAG;
            assert_eq!(size(length), Some(bytes));
        }
        for cut in [0, HEADER, HEADER + 15, place(1) + 1, place(1) + 16] {
            assert_eq!(size(cut), None, "{cut}");
        }
    }

    #[test]
    fn a_header_gives_its_state_back() {
        assert_eq!(state(&header(&[5; 16])), Some([5; 16]));
        assert_eq!(state(b"vault-2\n0123456789abcdef"), None);
    }
}
