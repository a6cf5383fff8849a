//! Settings of a bucket: which of them are kept, and what S3 answers about the others, which the
//! gateway does not have, when nobody has configured them.
//!
//! A setting that is not kept can be written where that changes nothing: to what it is already,
//! or to nothing. Whatever else would have to be enforced is refused, since a client would rely
//! on it.

mod acl;

use super::cors::Cors;
use super::error::{Code, Error, RequestError};
use super::response::attributes;
use super::tags::{self, Tags};
use super::xml::read::{self, XmlError};
use super::xml::write;
use crate::model::BucketSetting;
use bytes::Bytes;

/// A setting, by the sub-resource that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Accelerate,
    Acl,
    Cors,
    Encryption,
    Lifecycle,
    Logging,
    Notification,
    ObjectLock,
    OwnershipControls,
    Policy,
    PolicyStatus,
    PublicAccessBlock,
    Replication,
    RequestPayment,
    Tagging,
    Versioning,
    Website,
}

/// Methods that S3 has for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Methods {
    Get,
    GetPut,
    GetPutDelete,
}

impl Methods {
    /// As in `Allow`.
    pub fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::GetPut => "GET, PUT",
            Self::GetPutDelete => "GET, PUT, DELETE",
        }
    }
}

/// A setting that is kept, and its document.
pub(super) type Kept = (BucketSetting, String);

/// Sub-resources in a query.
const NAMES: [(&str, Setting); 17] = [
    ("accelerate", Setting::Accelerate),
    ("acl", Setting::Acl),
    ("cors", Setting::Cors),
    ("encryption", Setting::Encryption),
    ("lifecycle", Setting::Lifecycle),
    ("logging", Setting::Logging),
    ("notification", Setting::Notification),
    ("object-lock", Setting::ObjectLock),
    ("ownershipControls", Setting::OwnershipControls),
    ("policy", Setting::Policy),
    ("policyStatus", Setting::PolicyStatus),
    ("publicAccessBlock", Setting::PublicAccessBlock),
    ("replication", Setting::Replication),
    ("requestPayment", Setting::RequestPayment),
    ("tagging", Setting::Tagging),
    ("versioning", Setting::Versioning),
    ("website", Setting::Website),
];

impl Setting {
    /// The setting that a sub-resource stands for.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = NAMES.iter();
        let found = all.find(|(known, _)| *known == name);
        found.map(|(_, setting)| *setting)
    }

    /// Its sub-resource.
    pub fn name(self) -> &'static str {
        let mut all = NAMES.iter();
        let found = all.find(|(_, setting)| *setting == self);
        found.map_or("", |(name, _)| name)
    }

    /// The methods that S3 has for it.
    pub fn methods(self) -> Methods {
        match self {
            Self::Accelerate
            | Self::Acl
            | Self::Logging
            | Self::Notification
            | Self::ObjectLock
            | Self::RequestPayment
            | Self::Versioning => Methods::GetPut,
            Self::PolicyStatus => Methods::Get,
            Self::Cors
            | Self::Encryption
            | Self::Lifecycle
            | Self::OwnershipControls
            | Self::Policy
            | Self::PublicAccessBlock
            | Self::Replication
            | Self::Tagging
            | Self::Website => Methods::GetPutDelete,
        }
    }

    /// What the setting is; fails with S3's error for one that nobody has configured.
    pub fn document(self) -> Result<Bytes, Error> {
        Ok(match self {
            Self::Accelerate => write::document("AccelerateConfiguration", |_| {}),
            Self::Acl => acl::document(),
            Self::Logging => write::document("BucketLoggingStatus", |_| {}),
            Self::Notification => write::document("NotificationConfiguration", |_| {}),
            Self::OwnershipControls => write::document("OwnershipControls", |controls| {
                controls.element("Rule", |rule| {
                    rule.text("ObjectOwnership", "BucketOwnerEnforced");
                });
            }),
            Self::RequestPayment => write::document("RequestPaymentConfiguration", |payment| {
                payment.text("Payer", "BucketOwner");
            }),
            Self::Versioning => write::document(VERSIONING, |_| {}),
            Self::Cors
            | Self::Encryption
            | Self::Lifecycle
            | Self::ObjectLock
            | Self::Policy
            | Self::PolicyStatus
            | Self::PublicAccessBlock
            | Self::Replication
            | Self::Tagging
            | Self::Website => return Err(Error::NotConfigured(self)),
        })
    }

    /// S3's code for a setting that is not configured.
    pub(super) fn missing_code(self) -> Code {
        match self {
            Self::Cors => Code::NoSuchCorsConfiguration,
            Self::Encryption => Code::NoEncryptionConfiguration,
            Self::Lifecycle => Code::NoSuchLifecycleConfiguration,
            Self::ObjectLock => Code::NoObjectLockConfiguration,
            Self::PublicAccessBlock => Code::NoSuchPublicAccessBlockConfiguration,
            Self::Replication => Code::NoReplicationConfiguration,
            Self::Tagging => Code::NoSuchTagSet,
            Self::Website => Code::NoSuchWebsiteConfiguration,
            Self::Policy | Self::PolicyStatus => Code::NoSuchBucketPolicy,
            Self::Accelerate
            | Self::Acl
            | Self::Logging
            | Self::Notification
            | Self::OwnershipControls
            | Self::RequestPayment
            | Self::Versioning => Code::NotImplemented,
        }
    }

    /// The setting as it is kept, if it is.
    pub(super) fn kept(self) -> Option<BucketSetting> {
        match self {
            Self::Cors => Some(BucketSetting::Cors),
            Self::PublicAccessBlock => Some(BucketSetting::PublicAccessBlock),
            Self::Tagging => Some(BucketSetting::Tagging),
            Self::Versioning => Some(BucketSetting::Versioning),
            _ => None,
        }
    }

    /// Accepts a document to keep, or one that says what is so anyway.
    pub(super) fn accept(self, document: &[u8]) -> Result<Option<Kept>, Error> {
        let Some(setting) = self.kept() else {
            return self.accept_as_is(document).map(|()| None);
        };
        let checked = match setting {
            BucketSetting::Cors => Cors::parse(document)?.document(),
            BucketSetting::PublicAccessBlock => public_access_block(document)?,
            BucketSetting::Versioning => versioning(document)?,
            BucketSetting::Tagging => {
                let tags = read::tagging(document)?;
                tags::check(&tags, tags::MAX_BUCKET_TAGS)?;
                return Ok(Some(kept_tags(&tags)));
            }
        };
        let text = String::from_utf8_lossy(&checked).into_owned();
        Ok(Some((setting, text)))
    }

    fn accept_as_is(self, document: &[u8]) -> Result<(), Error> {
        let refused = || Error::from(RequestError::Setting(self));
        let (root, same): (_, &[(&str, &str)]) = match self {
            Self::Acl => return acl::accept(document),
            Self::Accelerate => ("AccelerateConfiguration", &[("Status", "Suspended")]),
            Self::Logging => ("BucketLoggingStatus", &[]),
            Self::Notification => ("NotificationConfiguration", &[]),
            Self::OwnershipControls => (
                "OwnershipControls",
                &[("Rule/ObjectOwnership", "BucketOwnerEnforced")],
            ),
            Self::RequestPayment => ("RequestPaymentConfiguration", &[("Payer", "BucketOwner")]),
            _ => return Err(refused()),
        };
        let asked = read::leaves(document, root)?;
        let same = asked
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .eq(same.iter().copied());
        if same { Ok(()) } else { Err(refused()) }
    }

    /// Accepts the removal of what is not there.
    pub(super) fn accept_removal(self) -> Result<(), Error> {
        match self {
            Self::Cors
            | Self::Encryption
            | Self::Lifecycle
            | Self::Policy
            | Self::PublicAccessBlock
            | Self::Replication
            | Self::Tagging
            | Self::Website => Ok(()),
            _ => Err(RequestError::Setting(self).into()),
        }
    }
}

/// The tags of a bucket as they are kept.
pub(super) fn kept_tags(tags: &Tags) -> Kept {
    let document = attributes::tagging(tags);
    let text = String::from_utf8_lossy(&document).into_owned();
    (BucketSetting::Tagging, text)
}

const VERSIONING: &str = "VersioningConfiguration";

/// Only that there shall be no more versions: there are none.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>
fn versioning(document: &[u8]) -> Result<Bytes, Error> {
    let mut status = None;
    let mut refused = false;
    for (name, value) in read::leaves(document, VERSIONING)? {
        match (name.as_str(), value.as_str()) {
            ("Status", "Enabled" | "Suspended") => status = Some(value),
            ("MfaDelete", "Disabled") => {}
            ("MfaDelete", "Enabled") => refused = true,
            _ => return Err(XmlError::Malformed("not the status of versioning").into()),
        }
    }
    let status = status.ok_or(RequestError::NoVersioningStatus)?;
    if refused || status == "Enabled" {
        return Err(RequestError::Setting(Setting::Versioning).into());
    }
    Ok(write::document(VERSIONING, |versioning| {
        versioning.text("Status", status);
    }))
}

/// Promises that are kept anyway: no list and no policy of ours opens a bucket.
///
/// Spec: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutPublicAccessBlock.html>
fn public_access_block(document: &[u8]) -> Result<Bytes, Error> {
    const ROOT: &str = "PublicAccessBlockConfiguration";
    const NAMES: [&str; 4] = [
        "BlockPublicAcls",
        "IgnorePublicAcls",
        "BlockPublicPolicy",
        "RestrictPublicBuckets",
    ];
    let asked = read::leaves(document, ROOT)?;
    let is_one = |(name, value): &(String, String)| {
        let is_truth = ["true", "false"]
            .iter()
            .any(|truth| value.eq_ignore_ascii_case(truth));
        NAMES.contains(&name.as_str()) && is_truth
    };
    if asked.is_empty() || !asked.iter().all(is_one) {
        return Err(XmlError::Malformed("not the four settings").into());
    }
    let is_set = |name| {
        asked
            .iter()
            .any(|(have, value)| have == name && value.eq_ignore_ascii_case("true"))
    };
    Ok(write::document(ROOT, |block| {
        for name in NAMES {
            block.text(name, is_set(name));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_setting_is_may_be_written_again() {
        for (_, setting) in NAMES {
            match setting.document() {
                // Have no value before they were set for the first time.
                Ok(document) if [Setting::Accelerate, Setting::Versioning].contains(&setting) => {
                    assert!(setting.accept(&document).is_err(), "{setting:?}");
                }
                Ok(document) => assert!(setting.accept(&document).is_ok(), "{setting:?}"),
                Err(error) => {
                    assert_eq!(error.code().wire().0, 404, "{setting:?}");
                    assert_ne!(error.code(), Code::NotImplemented, "{setting:?}");
                }
            }
            assert_eq!(Setting::named(setting.name()), Some(setting));
        }
        let suspended =
            b"<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>";
        assert!(Setting::Accelerate.accept(suspended).is_ok());
    }

    #[test]
    fn what_would_be_a_lie_is_refused() {
        let code = |setting: Setting, document: &str| {
            setting.accept(document.as_bytes()).unwrap_err().code()
        };
        for (setting, document) in [
            (
                Setting::Accelerate,
                "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
            ),
            (
                Setting::RequestPayment,
                "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
            ),
            (
                Setting::OwnershipControls,
                "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
            ),
            (
                Setting::Logging,
                "<BucketLoggingStatus><LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
            ),
            (
                Setting::Notification,
                "<NotificationConfiguration><TopicConfiguration><Id>1</Id></TopicConfiguration></NotificationConfiguration>",
            ),
            (Setting::Policy, "{}"),
            (Setting::Encryption, "<x/>"),
            (Setting::Lifecycle, "<x/>"),
        ] {
            assert_eq!(code(setting, document), Code::NotImplemented, "{setting:?}");
        }
        assert_eq!(code(Setting::ObjectLock, "<x/>"), Code::InvalidBucketState);
        assert_eq!(code(Setting::Logging, "<x/>"), Code::MalformedXml);
        assert_eq!(
            code(Setting::Acl, "<AccessControlPolicy>"),
            Code::MalformedXml
        );
    }

    #[test]
    fn versions_can_be_turned_off_but_not_on() {
        let put = |inner: &str| {
            let document = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
            let kept = Setting::Versioning.accept(document.as_bytes());
            kept.map(|kept| kept.unwrap().1)
                .map_err(|error| error.code())
        };
        let suspended = "<Status>Suspended</Status>";
        let kept = put(suspended).unwrap();
        assert!(kept.contains(&format!(">{suspended}</")), "{kept}");
        let sure = format!("{suspended}<MfaDelete>Disabled</MfaDelete>");
        assert_eq!(put(&sure), Ok(kept));
        for (inner, code) in [
            ("<Status>Enabled</Status>", Code::NotImplemented),
            (
                "<Status>Suspended</Status><MfaDelete>Enabled</MfaDelete>",
                Code::NotImplemented,
            ),
            ("", Code::IllegalVersioningConfiguration),
            ("<Status/>", Code::IllegalVersioningConfiguration),
            ("<Status>suspended</Status>", Code::MalformedXml),
            ("<Other>1</Other>", Code::MalformedXml),
        ] {
            assert_eq!(put(inner), Err(code), "{inner}");
        }
    }

    #[test]
    fn what_is_kept_comes_back_and_is_checked() {
        let kept = |setting: Setting, document: &str| {
            let kept = setting.accept(document.as_bytes());
            kept.map(|kept| kept.unwrap().1)
                .map_err(|error| error.code())
        };
        let block = kept(
            Setting::PublicAccessBlock,
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        )
        .unwrap();
        assert!(
            block.ends_with(
                "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls>\
                 <BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>\
                 </PublicAccessBlockConfiguration>"
            ),
            "{block}"
        );
        assert_eq!(kept(Setting::PublicAccessBlock, &block), Ok(block));
        for odd in [
            "",
            "<BlockPublicAcls>yes</BlockPublicAcls>",
            "<Other>true</Other>",
        ] {
            let text =
                format!("<PublicAccessBlockConfiguration>{odd}</PublicAccessBlockConfiguration>");
            assert_eq!(
                kept(Setting::PublicAccessBlock, &text),
                Err(Code::MalformedXml)
            );
        }
        let tags = |count: usize| {
            let tag = |number| format!("<Tag><Key>{number}</Key><Value>é</Value></Tag>");
            let tags: String = (0..count).map(tag).collect();
            kept(
                Setting::Tagging,
                &format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"),
            )
        };
        let most = tags(50).unwrap();
        assert_eq!(kept(Setting::Tagging, &most), Ok(most));
        assert_eq!(tags(51), Err(Code::BadRequest));
    }
}
