//! Writing documents.

use bytes::Bytes;
use std::fmt::{self, Display, Write};

/// The namespace of S3's documents (error documents have none).
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An element whose content is being written.
pub struct Element<'d>(&'d mut String);

/// A document with the elements that `content` writes, in S3's namespace.
pub fn document(root: &'static str, content: impl FnOnce(&mut Element<'_>)) -> Bytes {
    build(root, &format!(" xmlns=\"{NAMESPACE}\""), content)
}

/// The same without a namespace, as error documents are.
pub fn bare_document(root: &'static str, content: impl FnOnce(&mut Element<'_>)) -> Bytes {
    build(root, "", content)
}

fn build(root: &str, attributes: &str, content: impl FnOnce(&mut Element<'_>)) -> Bytes {
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}{attributes}>");
    content(&mut Element(&mut out));
    close(&mut out, root);
    out.into()
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

impl Element<'_> {
    /// A child element with elements in it.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Element<'_>)) {
        self.open(name);
        content(&mut Element(self.0));
        close(self.0, name);
    }

    /// The same with attributes, which stand in the document as given.
    pub fn element_with(
        &mut self,
        name: &str,
        attributes: &'static str,
        content: impl FnOnce(&mut Element<'_>),
    ) {
        self.open(&format!("{name} {attributes}"));
        content(&mut Element(self.0));
        close(self.0, name);
    }

    /// A child element with text in it.
    pub fn text(&mut self, name: &str, value: impl Display) {
        self.open(name);
        self.content(value);
        close(self.0, name);
    }

    /// Text directly in this element.
    pub fn content(&mut self, value: impl Display) {
        // Writing to a string fails only when the value's `Display` does, and none of ours does.
        let _ = write!(Escape(self.0), "{value}");
    }

    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }
}

/// Escapes what is written through it.
struct Escape<'d>(&'d mut String);

impl Write for Escape<'_> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        while let Some(at) = text.bytes().position(may_need_escape) {
            let (plain, rest) = text.split_at(at);
            self.0.push_str(plain);
            let mut rest = rest.chars();
            match rest.next() {
                Some('&') => self.0.push_str("&amp;"),
                Some('<') => self.0.push_str("&lt;"),
                Some('>') => self.0.push_str("&gt;"),
                Some('"') => self.0.push_str("&quot;"),
                Some(other) if needs_reference(other) => {
                    write!(self.0, "&#x{:X};", u32::from(other))?;
                }
                Some(other) => self.0.push(other),
                None => {}
            }
            text = rest.as_str();
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Carriage returns, which readers would turn into line feeds, and characters that XML 1.0 does
/// not have. Like AWS we write these as references: lenient readers understand them, and for the
/// others there is `encoding-type=url`.
fn needs_reference(char: char) -> bool {
    match char {
        '\u{7f}' | '\u{fffe}' | '\u{ffff}' => true,
        '\t' | '\n' => false,
        other => other < ' ',
    }
}

/// Whether a character that begins with this byte is markup, or may need a reference. Bytes are
/// looked through faster than characters.
fn may_need_escape(byte: u8) -> bool {
    match byte {
        // 0xEF begins U+F000 to U+FFFF; the last two of these are among them.
        b'&' | b'<' | b'>' | b'"' | 0x7f | 0xef => true,
        b'\t' | b'\n' => false,
        other => other < b' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::xml::read;
    use proptest::prelude::*;

    #[test]
    fn a_document_has_declaration_namespace_and_escaped_text() {
        let document = document("A", |a| {
            a.text("N", 7);
            a.element("B", |b| {
                b.text("Key", "<a href=\"x\">&\r\n\t\u{1}é，\u{fffe}</a>");
                b.text("Empty", "");
            });
        });
        assert_eq!(
            document,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <A xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><N>7</N>\
             <B><Key>&lt;a href=&quot;x&quot;&gt;&amp;&#xD;\n\t&#x1;é，&#xFFFE;&lt;/a&gt;</Key><Empty></Empty></B></A>"
        );
    }

    proptest! {
        #[test]
        fn reading_what_was_written_gives_the_same_text(key in "[^\\x00]{1,100}|[\\x01-\\x20<>&;'\"\\]]{1,40}") {
            let document = bare_document("Delete", |delete| {
                delete.element("Object", |object| object.text("Key", &key));
            });
            let read = read::delete(&document).unwrap();
            prop_assert_eq!(&read.objects[0].key, &key);
        }
    }
}
