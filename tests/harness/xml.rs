//! A reader of small XML documents that fails on anything malformed.

use quick_xml::Reader;
use quick_xml::events::Event;

/// An element, its text and its children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without namespace prefix.
    pub name: String,
    /// Value of `xmlns`.
    pub namespace: Option<String>,
    /// Its text, with references resolved.
    pub text: String,
    /// In document order.
    pub children: Vec<Element>,
}

impl Element {
    /// Reads a document. Panics with the text if it is not well-formed XML with one root.
    pub fn parse(document: &str) -> Self {
        match read(document) {
            Ok(root) => root,
            Err(why) => panic!("not an XML document ({why}):\n{document}"),
        }
    }

    /// The first element at a path such as `Error/Code`, seen from this element.
    pub fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| {
            element.children.iter().find(|child| child.name == name)
        })
    }

    /// Text of the first element at a path; panics if there is none.
    pub fn text(&self, path: &str) -> &str {
        match self.find(path) {
            Some(element) => &element.text,
            None => panic!("no {path} in {self:?}"),
        }
    }

    /// All children of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text at `path` below each child named `name`.
    pub fn texts(&self, name: &str, path: &str) -> Vec<String> {
        self.all(name).map(|e| e.text(path).to_owned()).collect()
    }
}

fn read(document: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(document);
    // The bottom of the stack is the document itself.
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(tag) => open.push(begin(&tag)?),
            Event::Empty(tag) => {
                let element = begin(&tag)?;
                top(&mut open)?.children.push(element);
            }
            Event::End(_) => {
                let done = open.pop().ok_or("too many end tags")?;
                top(&mut open)?.children.push(done);
            }
            Event::Text(text) => {
                top(&mut open)?.text.push_str(&text);
            }
            Event::CData(text) => {
                top(&mut open)?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().map_err(|e| e.to_string())? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_predefined_entity(&reference)
                        .ok_or_else(|| format!("unknown entity {reference:?}"))?
                        .to_owned(),
                };
                top(&mut open)?.text.push_str(&character);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut root = open
        .pop()
        .filter(|_| open.is_empty())
        .ok_or("it ends early")?;
    match root.children.len() {
        1 if root.text.trim().is_empty() => Ok(root.children.remove(0)),
        n => Err(format!("{n} roots, text {:?} beside them", root.text)),
    }
}

fn begin(tag: &quick_xml::events::BytesStart<'_>) -> Result<Element, String> {
    let mut namespace = None;
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        if attribute.key.as_ref() == "xmlns" {
            namespace = Some(attribute.value.into_owned());
        }
    }
    Ok(Element {
        name: tag.local_name().as_ref().to_owned(),
        namespace,
        ..Element::default()
    })
}

fn top(open: &mut [Element]) -> Result<&mut Element, &'static str> {
    open.last_mut().ok_or("text outside of the root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_become_characters() {
        let document = "<a xmlns=\"urn:x\"><b>1 &lt; 2 &amp;&#x41;&#10;</b><b/></a>";
        let root = Element::parse(document);
        assert_eq!(root.namespace.as_deref(), Some("urn:x"));
        assert_eq!(root.text("b"), "1 < 2 &A\n");
        assert_eq!(root.all("b").count(), 2);
    }

    #[test]
    fn a_document_that_ends_early_is_refused() {
        assert!(read("<a><b></b>").is_err());
        assert!(read("").is_err());
        assert!(read("<a/><a/>").is_err());
    }
}
