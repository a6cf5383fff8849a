//! `multipart/form-data` as a state machine without I/O.
//!
//! ```text
//! --BOUNDARY\r\n
//! Content-Disposition: form-data; name="key"\r\n
//! \r\n
//! user/eric/${filename}\r\n--BOUNDARY\r\n
//! Content-Disposition: form-data; name="file"; filename="photo.jpg"\r\n
//! \r\n
//! <bytes>\r\n--BOUNDARY--\r\n
//! ```
//! Spec: <https://www.rfc-editor.org/rfc/rfc7578>

use super::FormError;
use bytes::{Bytes, BytesMut};

/// Bytes of all fields and their heads before the file.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html>
pub(super) const MAX_FIELDS: usize = 20 * 1024;
/// The longest boundary that RFC 2046 allows.
const MAX_BOUNDARY: usize = 70;

/// What comes out of a form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A field before the file.
    Field(String, String),
    /// The file begins; its name on the client's disk, without directories.
    File(String),
    /// Bytes of the file, never none.
    Data(Bytes),
    /// The file has ended. What follows means nothing.
    FileEnd,
}

/// The decoder. Feed it with [`Decoder::push`] whenever [`Decoder::next`] wants more.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    /// A line end, two dashes and the boundary.
    delimiter: Vec<u8>,
    input: BytesMut,
    /// Bytes that were taken from the input, the line end before the first delimiter included.
    taken: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// Behind a delimiter.
    Delimiter,
    /// In the head of a part.
    Head,
    /// In the value of a field with this name.
    Field(String),
    /// In the file.
    File,
    /// Behind the file.
    End,
}

impl Decoder {
    /// A decoder for this value of `Content-Type`.
    pub(super) fn new(content_type: &str) -> Result<Self, FormError> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return Err(FormError::NotMultipart);
        }
        let boundary = parameter(parameters, "boundary").unwrap_or_default();
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return Err(FormError::Malformed);
        }
        // So that the first delimiter is found as the others are.
        let input = BytesMut::from(&b"\r\n"[..]);
        Ok(Self {
            state: State::Preamble,
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            input,
            taken: 0,
        })
    }

    /// Takes more of the body.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Bytes of the body before what was not decoded yet.
    pub(super) fn position(&self) -> u64 {
        self.taken.saturating_sub(2)
    }

    /// Bytes behind a file that ends the form: the last delimiter, two dashes and a line end.
    pub(super) fn closing(&self) -> u64 {
        self.delimiter.len() as u64 + 4
    }

    /// The next event; `None` when it takes more input to tell.
    pub(super) fn next(&mut self) -> Result<Option<Event>, FormError> {
        let before_file = !matches!(self.state, State::File | State::End);
        let event = self.step()?;
        let waiting = if event.is_none() { self.input.len() } else { 0 };
        if before_file && self.position() + waiting as u64 > MAX_FIELDS as u64 {
            return Err(FormError::FieldsTooLarge);
        }
        Ok(event)
    }

    fn step(&mut self) -> Result<Option<Event>, FormError> {
        loop {
            match &self.state {
                State::Preamble => {
                    if self.until_delimiter().is_none() {
                        return Ok(None);
                    }
                    self.state = State::Delimiter;
                }
                State::Delimiter => match self.input.get(..2) {
                    None => return Ok(None),
                    Some(b"\r\n") => self.state = State::Head,
                    // A form without a file, or something behind the boundary.
                    Some(b"--") => return Err(FormError::NoFile),
                    Some(_) => return Err(FormError::Malformed),
                },
                State::Head => {
                    // The line end behind the delimiter counts: a head may be empty.
                    let Some(end) = find(&self.input, b"\r\n\r\n") else {
                        return Ok(None);
                    };
                    let head = self.take(end + 4);
                    let (name, file_name) = part_head(&head)?;
                    if name == "file" {
                        self.state = State::File;
                        // A line end that belongs to the delimiter of an empty file.
                        return Ok(Some(Event::File(file_name)));
                    }
                    self.state = State::Field(name);
                }
                State::Field(name) => {
                    let name = name.clone();
                    let Some(value) = self.until_delimiter() else {
                        return Ok(None);
                    };
                    let value = String::from_utf8(value.to_vec());
                    let value = value.map_err(|_| FormError::Malformed)?;
                    self.state = State::Delimiter;
                    return Ok(Some(Event::Field(name, value)));
                }
                State::File => return self.file(),
                State::End => {
                    self.input.clear();
                    return Ok(None);
                }
            }
        }
    }

    /// What is in the input of the file: at most the beginning of a delimiter stays.
    fn file(&mut self) -> Result<Option<Event>, FormError> {
        let end = find(&self.input, &self.delimiter);
        let safe = self.input.len().saturating_sub(self.delimiter.len() - 1);
        Ok(match end {
            Some(0) => {
                let behind = self.delimiter.len();
                match self.input.get(behind..behind + 2) {
                    None => return Ok(None),
                    Some(b"--" | b"\r\n") => self.state = State::End,
                    // The file has the boundary in it, so that nobody can tell where it ends.
                    Some(_) => return Err(FormError::Malformed),
                }
                Some(Event::FileEnd)
            }
            Some(end) => Some(Event::Data(self.take(end))),
            None if safe > 0 => Some(Event::Data(self.take(safe))),
            None => None,
        })
    }

    /// Everything up to the next delimiter, which is taken, too.
    fn until_delimiter(&mut self) -> Option<Bytes> {
        let end = find(&self.input, &self.delimiter)?;
        let bytes = self.take(end);
        self.take(self.delimiter.len());
        Some(bytes)
    }

    fn take(&mut self, count: usize) -> Bytes {
        self.taken += count as u64;
        self.input.split_to(count).freeze()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let tail = haystack.get(from..)?;
        let at = from + tail.iter().position(|byte| *byte == first)?;
        if haystack.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// Name of the field, and of the file if there is one.
fn part_head(head: &[u8]) -> Result<(String, String), FormError> {
    let head = std::str::from_utf8(head).map_err(|_| FormError::Malformed)?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let wanted = name.trim().eq_ignore_ascii_case("content-disposition");
        wanted.then_some(value)
    });
    let disposition = disposition.ok_or(FormError::Malformed)?;
    let (kind, parameters) = disposition.split_once(';').ok_or(FormError::Malformed)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(FormError::Malformed);
    }
    let name = parameter(parameters, "name").ok_or(FormError::Malformed)?;
    let path = parameter(parameters, "filename").unwrap_or_default();
    let file_name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    Ok((name, file_name.to_owned()))
}

/// A parameter of a header's value: a token, or text in quotes with `\"` for a quote.
fn parameter(mut rest: &str, wanted: &str) -> Option<String> {
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, tail) = rest.split_once('=')?;
        let (value, tail) = if let Some(quoted) = tail.strip_prefix('"') {
            quoted_text(quoted)?
        } else {
            let (value, tail) = tail.split_once(';').unwrap_or((tail, ""));
            (value.trim().to_owned(), tail)
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = tail;
    }
}

fn quoted_text(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, text.get(at + 1..)?)),
            // Only a quote is ever escaped: in a path of Windows a backslash is a backslash.
            '\\' if matches!(chars.peek(), Some((_, '"'))) => {
                value.push('"');
                chars.next();
            }
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=\"b--x\"";

    fn form(fields: &[(&str, &str)], file: &[u8], rest: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in fields {
            body.extend(
                format!(
                    "--b--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
                )
                .bytes(),
            );
        }
        body.extend(b"--b--x\r\ncontent-disposition: form-data; filename=\"C:\\dir\\a \\\"b\\\".txt\"; name=file\r\nContent-Type: text/plain\r\n\r\n");
        body.extend_from_slice(file);
        body.extend(b"\r\n--b--x");
        body.extend(rest.bytes());
        body
    }

    /// Everything that comes out when the body arrives in pieces of these sizes.
    fn decode(
        body: &[u8],
        mut sizes: impl Iterator<Item = usize>,
    ) -> Result<Vec<Event>, FormError> {
        let mut decoder = Decoder::new(TYPE)?;
        let mut events = Vec::new();
        let mut rest = body;
        loop {
            while let Some(event) = decoder.next()? {
                match (events.last_mut(), event) {
                    (Some(Event::Data(whole)), Event::Data(more)) => {
                        *whole = [&whole[..], &more[..]].concat().into();
                    }
                    (_, event) => events.push(event),
                }
            }
            if rest.is_empty() {
                return Ok(events);
            }
            let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len());
            let (piece, tail) = rest.split_at(size);
            decoder.push(piece);
            rest = tail;
        }
    }

    fn whole(body: &[u8]) -> Result<Vec<Event>, FormError> {
        decode(body, std::iter::empty())
    }

    fn expected(file: &[u8]) -> Vec<Event> {
        let mut events = vec![
            Event::Field("key".into(), "a\r\nb".into()),
            Event::File("a \"b\".txt".into()),
        ];
        if !file.is_empty() {
            events.push(Event::Data(file.to_vec().into()));
        }
        events.push(Event::FileEnd);
        events
    }

    #[test]
    fn what_follows_the_file_means_nothing() {
        for rest in [
            "--\r\n",
            "--",
            "\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nother\r\n--b--x--",
        ] {
            let body = form(&[("key", "a\r\nb")], b"file", rest);
            assert_eq!(whole(&body), Ok(expected(b"file")), "{rest}");
        }
    }

    #[test]
    fn a_file_with_the_boundary_in_it_is_refused_and_not_cut_off() {
        let body = form(&[("key", "k")], b"one\r\n--b--xyz", "--\r\n");
        assert_eq!(whole(&body), Err(FormError::Malformed));
    }

    #[test]
    fn a_form_that_is_none_is_refused() {
        let head = |line: &str| format!("--b--x\r\n{line}\r\n\r\nv\r\n--b--x--\r\n");
        for (body, error) in [
            ("--b--x--\r\n".to_owned(), FormError::NoFile),
            ("--b--xy\r\n".to_owned(), FormError::Malformed),
            (head("Content-Type: text/plain"), FormError::Malformed),
            (head("Content-Disposition: form-data"), FormError::Malformed),
            (
                head("Content-Disposition: form-data; name=\"x"),
                FormError::Malformed,
            ),
            (
                head("Content-Disposition: attachment; name=x"),
                FormError::Malformed,
            ),
            (
                head("Content-Disposition: form-data; name=x"),
                FormError::NoFile,
            ),
            (
                head(&format!(
                    "Content-Disposition: form-data; name=x\r\nX: {}",
                    "x".repeat(MAX_FIELDS)
                )),
                FormError::FieldsTooLarge,
            ),
            ("x".repeat(MAX_FIELDS + 1), FormError::FieldsTooLarge),
        ] {
            assert_eq!(
                whole(body.as_bytes()),
                Err(error),
                "{}",
                &body[..30.min(body.len())]
            );
        }
        let many = vec![("k", "0123456789"); 2000];
        assert_eq!(
            whole(&form(&many, b"", "--")),
            Err(FormError::FieldsTooLarge)
        );
        for odd in ["text/plain", "", "multipart/mixed; boundary=x"] {
            assert_eq!(
                Decoder::new(odd).err(),
                Some(FormError::NotMultipart),
                "{odd}"
            );
        }
        for odd in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            &format!("multipart/form-data; boundary={}", "x".repeat(71)),
        ] {
            assert_eq!(Decoder::new(odd).err(), Some(FormError::Malformed), "{odd}");
        }
    }

    #[test]
    fn a_file_may_be_larger_than_the_fields() {
        let file = vec![b'\r'; 10 * MAX_FIELDS];
        let body = form(&[("key", "a\r\nb")], &file, "--\r\n");
        assert_eq!(whole(&body), Ok(expected(&file)));
    }

    proptest! {
        #[test]
        fn any_split_of_a_form_decodes_equally(
            file in "(\r\n--b--|\r\n|-|b|x|é){0,12}",
            sizes in proptest::collection::vec(1_usize..9, 0..200),
        ) {
            let body = form(&[("key", "a\r\nb")], file.as_bytes(), "--\r\n");
            // A file with the delimiter in it ends there, if what follows can follow a delimiter.
            let all = format!("{file}\r\n--b--x--\r\n");
            let (file, rest) = all.split_once("\r\n--b--x").unwrap();
            let decoded = if rest.starts_with("--") || rest.starts_with("\r\n") {
                Ok(expected(file.as_bytes()))
            } else {
                Err(FormError::Malformed)
            };
            prop_assert_eq!(decode(&body, sizes.into_iter()), decoded);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(body in "(--b--x|\r\n|Content-Disposition: form-data|; name=|\"|file|[a-z:-]){0,30}") {
            let _ = whole(body.as_bytes());
        }

        #[test]
        fn the_size_of_a_file_that_ends_the_form_can_be_told_when_it_begins(file in "[a-z\r\n-]{0,40}") {
            let body = form(&[("key", "k")], file.as_bytes(), "--\r\n");
            let mut decoder = Decoder::new(TYPE).unwrap();
            decoder.push(&body);
            while !matches!(decoder.next().unwrap(), Some(Event::File(_))) {}
            let size = body.len() as u64 - decoder.position() - decoder.closing();
            prop_assert_eq!(size, file.len() as u64);
        }
    }
}
