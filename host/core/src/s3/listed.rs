//! Configurations of which a bucket can have many, each with a name: the gateway has none, says so,
//! and keeps none.

use super::xml::write;
use bytes::Bytes;

/// A kind of configuration, by the sub-resource that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    Analytics,
    IntelligentTiering,
    Inventory,
    Metrics,
}

/// Sub-resources in a query, and the roots of their lists.
const NAMES: [(&str, Listed, &str); 4] = [
    (
        "analytics",
        Listed::Analytics,
        "ListBucketAnalyticsConfigurationResult",
    ),
    (
        "intelligent-tiering",
        Listed::IntelligentTiering,
        "ListBucketIntelligentTieringConfigurationsOutput",
    ),
    (
        "inventory",
        Listed::Inventory,
        "ListInventoryConfigurationsResult",
    ),
    (
        "metrics",
        Listed::Metrics,
        "ListMetricsConfigurationsResult",
    ),
];

impl Listed {
    /// The kind that a sub-resource stands for.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = NAMES.iter();
        let found = all.find(|(known, ..)| *known == name);
        found.map(|(_, listed, _)| *listed)
    }

    /// Its sub-resource.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The list of all that there are.
    ///
    /// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBucketInventoryConfigurations.html>
    pub fn document(self) -> Bytes {
        write::document(self.entry().1, |list| list.text("IsTruncated", false))
    }

    fn entry(self) -> (&'static str, &'static str) {
        let mut all = NAMES.iter();
        let found = all.find(|(_, listed, _)| *listed == self);
        found.map_or(("", ""), |(name, _, root)| (name, root))
    }
}
