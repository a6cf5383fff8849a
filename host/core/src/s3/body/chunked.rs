//! The aws-chunked framing as a state machine without I/O.
//!
//! ```text
//! 10000;chunk-signature=ad80…\r\n <65536 bytes> \r\n
//! 0;chunk-signature=b6c6…\r\n
//! x-amz-checksum-crc32c:sOO8/Q==\r\n            (modes with a trailer)
//! x-amz-trailer-signature:d81f…\r\n             (and of those, the signed one)
//! \r\n
//! ```
//! Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>

use crate::model::UploadError;
use crate::s3::auth::Signature;
use bytes::{Buf, Bytes};

/// The longest line: a chunk's header or a field of the trailer. Real ones have 150 bytes.
const MAX_LINE: usize = 1024;
/// Bytes of all lines behind the last chunk.
const MAX_TRAILER: usize = 8 * 1024;

/// What comes out of the framing.
#[derive(Debug)]
pub(super) enum Frame {
    /// A chunk begins (the empty one at the end too); its signature, if it has one.
    Chunk(Option<Signature>),
    /// Bytes of the chunk, never none.
    Data(Bytes),
}

/// What follows the last chunk.
#[derive(Debug, Default)]
pub(super) struct Trailer {
    /// Names in lower case, and values, in order.
    pub(super) fields: Vec<(String, String)>,
    /// Over the fields.
    pub(super) signature: Option<Signature>,
}

/// The decoder. Feed it with [`Decoder::next`] until the body ends, then call
/// [`Decoder::finish`].
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// Bytes of the object that are still to come.
    remaining: u64,
    /// Chunks must have signatures.
    signed: bool,
    /// Fields may follow the last chunk.
    with_trailer: bool,
    /// The beginning of a line whose end has not arrived yet.
    line: Vec<u8>,
    trailer: Trailer,
    trailer_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The line before a chunk's bytes.
    Header,
    /// Within a chunk: this many bytes to come, at least one.
    Data(u64),
    /// The line end behind a chunk's bytes.
    DataEnd,
    /// Behind the last chunk.
    Trailer,
    /// Behind the empty line at the very end of a body without trailer.
    End,
}

impl Decoder {
    /// A decoder for an object of `size` bytes.
    pub(super) fn new(size: u64, signed: bool, with_trailer: bool) -> Self {
        Self {
            state: State::Header,
            remaining: size,
            signed,
            with_trailer,
            line: Vec::new(),
            trailer: Trailer::default(),
            trailer_bytes: 0,
        }
    }

    /// The next frame of `input`, which is advanced; `None` when all of it is used up. Data are
    /// slices of the input, not copies.
    pub(super) fn next(&mut self, input: &mut Bytes) -> Result<Option<Frame>, UploadError> {
        while !input.is_empty() {
            if self.state == State::End {
                return Err(UploadError::Framing("bytes follow the last chunk"));
            }
            if let State::Data(left) = self.state {
                let length =
                    usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let data = input.split_to(length);
                let taken = length as u64;
                self.remaining = self.remaining.saturating_sub(taken);
                self.state = match left.saturating_sub(taken) {
                    0 => State::DataEnd,
                    left => State::Data(left),
                };
                return Ok(Some(Frame::Data(data)));
            }
            if !self.read_line(input)? {
                break;
            }
            let line = std::mem::take(&mut self.line);
            let frame = self.accept_line(&line)?;
            // Keep the allocation for the next line.
            self.line = line;
            self.line.clear();
            if frame.is_some() {
                return Ok(frame);
            }
        }
        Ok(None)
    }

    /// The body has ended.
    pub(super) fn finish(self) -> Result<Trailer, UploadError> {
        let whole = match self.state {
            State::End => true,
            // Some clients leave the last empty line out. What must be there is known.
            State::Trailer => self.with_trailer && self.line.is_empty(),
            State::Header | State::Data(_) | State::DataEnd => false,
        };
        if !whole {
            return Err(UploadError::Incomplete);
        }
        Ok(self.trailer)
    }

    /// Moves bytes up to and with the next line feed; `true` if it was among them.
    fn read_line(&mut self, input: &mut Bytes) -> Result<bool, UploadError> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let length = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + length > MAX_LINE {
            return Err(UploadError::Framing("a line is too long"));
        }
        self.line.extend(input.iter().take(length));
        input.advance(length);
        Ok(end.is_some())
    }

    fn accept_line(&mut self, line: &[u8]) -> Result<Option<Frame>, UploadError> {
        match self.state {
            State::Header => self.header(line).map(Some),
            State::DataEnd if line == b"\r\n" => {
                self.state = State::Header;
                Ok(None)
            }
            State::DataEnd | State::Data(_) => {
                Err(UploadError::Framing("a chunk is longer than its size"))
            }
            State::Trailer if self.with_trailer => self.field(line).map(|()| None),
            State::Trailer if line == b"\r\n" => {
                self.state = State::End;
                Ok(None)
            }
            State::Trailer | State::End => Err(UploadError::Framing("bytes follow the last chunk")),
        }
    }

    /// `SIZE` or `SIZE;chunk-signature=HEX`.
    fn header(&mut self, line: &[u8]) -> Result<Frame, UploadError> {
        const MALFORMED: UploadError = UploadError::Framing("the header of a chunk is wrong");
        let line = line.strip_suffix(b"\r\n").ok_or(MALFORMED)?;
        let line = std::str::from_utf8(line).map_err(|_| MALFORMED)?;
        let (size, extension) = match line.split_once(';') {
            Some((size, extension)) => (size, Some(extension)),
            None => (line, None),
        };
        if !(1..=16).contains(&size.len()) || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(MALFORMED);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| MALFORMED)?;
        let signature = if self.signed {
            let raw = extension.and_then(|raw| raw.strip_prefix("chunk-signature="));
            Some(
                raw.and_then(|raw| Signature::parse(raw.as_bytes()))
                    .ok_or(MALFORMED)?,
            )
        } else {
            None
        };
        if size > self.remaining {
            return Err(UploadError::TooLong);
        }
        if size == 0 && self.remaining > 0 {
            return Err(UploadError::Incomplete);
        }
        self.state = match size {
            0 => State::Trailer,
            size => State::Data(size),
        };
        Ok(Frame::Chunk(signature))
    }

    /// `name:value`. Clients differ in where they put empty lines (minio's puts one before the
    /// signature) and in the kind of line end, so neither means anything here.
    fn field(&mut self, line: &[u8]) -> Result<(), UploadError> {
        const MALFORMED: UploadError = UploadError::Trailer("the trailer is wrong");
        self.trailer_bytes += line.len();
        if self.trailer_bytes > MAX_TRAILER {
            return Err(UploadError::Trailer("the trailer is too long"));
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(());
        }
        let line = std::str::from_utf8(line).map_err(|_| MALFORMED)?;
        let (name, value) = line.split_once(':').ok_or(MALFORMED)?;
        let name = name.to_ascii_lowercase();
        let value = value.trim_matches(' ');
        if self.trailer.signature.is_some() {
            return Err(MALFORMED);
        }
        if name == "x-amz-trailer-signature" {
            let signature = Signature::parse(value.as_bytes()).ok_or(MALFORMED)?;
            self.trailer.signature = Some(signature);
        } else {
            self.trailer.fields.push((name, value.to_owned()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::auth::signer::unsigned_body;
    use proptest::prelude::*;

    type Fields = Vec<(String, String)>;

    /// Decodes `body` read in pieces of these sizes (and then the rest).
    fn decode(
        mut decoder: Decoder,
        body: &[u8],
        sizes: &[usize],
    ) -> Result<(Vec<u8>, Fields), UploadError> {
        let mut body = Bytes::copy_from_slice(body);
        let mut data = Vec::new();
        for size in sizes.iter().copied().chain([usize::MAX]) {
            let mut input = body.split_to(size.min(body.len()));
            while let Some(frame) = decoder.next(&mut input)? {
                if let Frame::Data(bytes) = frame {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
            }
            assert!(input.is_empty());
        }
        Ok((data, decoder.finish()?.fields))
    }

    fn unsigned(body: &[u8], size: u64) -> Result<Vec<u8>, UploadError> {
        decode(Decoder::new(size, false, true), body, &[]).map(|(data, _)| data)
    }

    #[test]
    fn the_size_of_a_chunk_is_hexadecimal_in_any_case() {
        assert_eq!(
            unsigned(b"a\r\n0123456789\r\n0\r\n\r\n", 10).unwrap(),
            b"0123456789"
        );
        assert_eq!(
            unsigned(b"A\r\n0123456789\r\n00\r\n\r\n", 10).unwrap(),
            b"0123456789"
        );
        for odd in ["", "x", "-1", "+1", " 1", "1 ", "0x1", "11111111111111111"] {
            let body = format!("{odd}\r\n0\r\n0\r\n\r\n");
            assert!(
                matches!(
                    unsigned(body.as_bytes(), 1),
                    Err(UploadError::Framing(_) | UploadError::Trailer(_))
                ),
                "{odd}"
            );
        }
    }

    #[test]
    fn extensions_mean_nothing_where_nobody_signs() {
        let body = b"1;chunk-signature=x\r\n0\r\n0;y\r\n\r\n";
        assert_eq!(unsigned(body, 1).unwrap(), b"0");
    }

    #[test]
    fn a_chunk_without_signature_is_malformed_where_they_are_required() {
        for header in [
            "0",
            "0;",
            "0;chunk-signature=",
            "0;chunk-signature=00",
            "0;x=y",
        ] {
            let body = format!("{header}\r\n\r\n");
            let decoder = Decoder::new(0, true, false);
            assert!(
                matches!(
                    decode(decoder, body.as_bytes(), &[]),
                    Err(UploadError::Framing(_) | UploadError::Trailer(_))
                ),
                "{header}"
            );
        }
    }

    #[test]
    fn chunks_beyond_the_declared_length_are_refused_before_their_bytes_come() {
        assert!(matches!(unsigned(b"2\r\n", 1), Err(UploadError::TooLong)));
        assert!(matches!(
            unsigned(b"1\r\na\r\n1\r\n", 1),
            Err(UploadError::TooLong)
        ));
        assert!(matches!(
            unsigned(b"ffffffffffffffff\r\n", u64::MAX - 1),
            Err(UploadError::TooLong)
        ));
    }

    #[test]
    fn a_last_chunk_before_the_declared_length_is_incomplete() {
        let body = b"1\r\na\r\n0\r\n\r\n";
        assert!(matches!(unsigned(body, 2), Err(UploadError::Incomplete)));
    }

    #[test]
    fn a_body_cut_off_anywhere_is_incomplete() {
        let body = unsigned_body(&[b"abc", b"defghi"], &[]);
        for cut in 0..body.len() {
            let decoder = Decoder::new(9, false, false);
            assert!(
                matches!(
                    decode(decoder, &body[..cut], &[]),
                    Err(UploadError::Incomplete)
                ),
                "{cut}"
            );
        }
    }

    #[test]
    fn a_line_is_not_kept_when_it_is_too_long() {
        let long = vec![b'1'; 10_000];
        assert!(matches!(
            unsigned(&long, 1),
            Err(UploadError::Framing(_) | UploadError::Trailer(_))
        ));
        let mut decoder = Decoder::new(1, false, true);
        for byte in &long {
            let mut input = Bytes::copy_from_slice(&[*byte]);
            if decoder.next(&mut input).is_err() {
                assert!(decoder.line.len() <= MAX_LINE);
                return;
            }
        }
        panic!("the line was accepted");
    }

    #[test]
    fn a_trailer_has_an_end() {
        let mut body = b"0\r\n".to_vec();
        body.extend(b"a:b\r\n".repeat(2000));
        assert!(matches!(
            unsigned(&body, 0),
            Err(UploadError::Framing(_) | UploadError::Trailer(_))
        ));
        let mut body = b"0\r\n".to_vec();
        body.extend(b"\r\n".repeat(5000));
        assert!(matches!(
            unsigned(&body, 0),
            Err(UploadError::Framing(_) | UploadError::Trailer(_))
        ));
    }

    #[test]
    fn every_clients_kind_of_trailer_is_read() {
        for trailer in [
            "x-amz-checksum-crc32:AAAAAA==\r\n\r\n",
            "x-amz-checksum-crc32:AAAAAA==\r\n",
            "X-Amz-Checksum-Crc32: AAAAAA==\r\n\r\n",
            "x-amz-checksum-crc32:AAAAAA==\n\r\n\r\n",
            "\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        ] {
            let body = format!("0\r\n{trailer}");
            let decoder = Decoder::new(0, false, true);
            let (_, fields) = decode(decoder, body.as_bytes(), &[]).unwrap();
            let field = ("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned());
            assert_eq!(fields, [field], "{trailer:?}");
        }
    }

    #[test]
    fn nothing_follows_the_end() {
        for rest in ["x", "\r\n", "x\r\n", "a:b\r\n"] {
            let body = format!("0\r\n\r\n{rest}");
            let decoder = Decoder::new(0, false, false);
            assert!(decode(decoder, body.as_bytes(), &[]).is_err(), "{rest:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_into_reads_decodes_equally(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            sizes in proptest::collection::vec(0usize..30, 0..40),
        ) {
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let trailer = [("x-amz-checksum-crc32", "AAAAAA==")];
            let body = unsigned_body(&chunks, &trailer);
            let data = chunks.concat();
            let decoder = Decoder::new(data.len() as u64, false, true);
            let (decoded, fields) = decode(decoder, &body, &sizes).unwrap();
            prop_assert_eq!(decoded, data);
            prop_assert_eq!(fields, [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())]);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(
            body in proptest::collection::vec(prop_oneof![
                any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'1'), Just(b';'), Just(b':')
            ], 0..200),
            size in 0u64..100,
            signed: bool,
            trailer: bool,
            sizes in proptest::collection::vec(0usize..30, 0..10),
        ) {
            if let Ok((data, _)) = decode(Decoder::new(size, signed, trailer), &body, &sizes) {
                prop_assert_eq!(data.len() as u64, size);
            }
        }
    }
}
