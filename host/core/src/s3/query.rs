//! The query of a request, decoded.

use super::percent::{self, DecodeError};

/// Names and values in the order they came. A parameter without `=` has an empty value.
///
/// Where a name comes twice the first one counts. In a query, unlike in a path, `+` is a space.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes the part of a URI behind the `?`.
    pub fn parse(raw: Option<&str>) -> Result<Self, DecodeError> {
        let pairs = raw.unwrap_or_default().split('&');
        let decode = |text: &str| {
            if text.contains('+') {
                percent::decode(&text.replace('+', " "))
            } else {
                percent::decode(text)
            }
        };
        pairs
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The value of `name`, if the request has it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of `name`, unless it is missing or empty.
    pub fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether the request has `name`, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_values_are_decoded_and_a_plus_is_a_space() {
        let query = Query::parse(Some("acl&prefix=a+b%2Fc%2B&&x==&acl=2")).unwrap();
        assert_eq!(query.get("acl"), Some(""));
        assert_eq!(query.get("prefix"), Some("a b/c+"));
        assert_eq!(query.get("x"), Some("="));
        assert_eq!(query.non_empty("acl"), None);
        assert!(!query.has("b"));
    }

    #[test]
    fn a_query_that_is_not_utf8_is_refused() {
        assert_eq!(Query::parse(Some("prefix=%ff")), Err(DecodeError));
    }

    proptest! {
        #[test]
        fn no_query_makes_the_parser_panic(raw: String) {
            let _ = Query::parse(Some(&raw));
        }
    }
}
