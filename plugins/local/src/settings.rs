//! What the operator sets, and what the gateway says about an instance.

use crate::error::Error;

/// Where a bucket's objects are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// `BUCKET/objects/KEY`; a bucket is a directory that has `objects/`.
    #[default]
    Objects,
    /// `BUCKET/KEY`; every directory with a legal bucket name is a bucket.
    Plain,
}

impl Layout {
    /// The values of the setting `layout`, each with a label.
    pub const CHOICES: [(&str, &str); 2] = [
        (
            "objects",
            "BUCKET/objects/KEY, as earlier versions of pys3local",
        ),
        ("plain", "BUCKET/KEY, to serve an existing tree"),
    ];

    /// Reads the settings of the config section; keys of others are not looked at.
    pub fn from_settings<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Error> {
        let mut layout = Self::default();
        for (name, value) in settings {
            layout = match (name, value) {
                ("layout", "objects") => Self::Objects,
                ("layout", "plain") => Self::Plain,
                ("layout", other) => {
                    return Err(Error::Other(format!(
                        "layout is \"objects\" or \"plain\", not {other:?}"
                    )));
                }
                _ => layout,
            };
        }
        Ok(layout)
    }
}

/// How one instance works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where a bucket's objects are.
    pub layout: Layout,
    /// There is one bucket, named `""`, and it is the root.
    pub single_bucket: bool,
    /// Sync before answering.
    pub durable: bool,
    /// Unique for ever, of `[0-9a-z-]`: the start of names for temporary things.
    pub instance: String,
}
