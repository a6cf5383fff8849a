//! The access control list that everything has.

use crate::s3::error::{Error, RequestError};
use crate::s3::response::OWNER;
use crate::s3::xml::read;
use crate::s3::xml::write::{self, Element};
use bytes::Bytes;

/// The grant that everything has.
const FULL_CONTROL: &str = "FULL_CONTROL";

/// The one owner may do everything, and nobody else anything.
pub(super) fn document() -> Bytes {
    let owner = |person: &mut Element<'_>| {
        person.text("ID", OWNER);
        person.text("DisplayName", OWNER);
    };
    write::document("AccessControlPolicy", |policy| {
        policy.element("Owner", owner);
        policy.element("AccessControlList", |list| {
            list.element("Grant", |grant| {
                let kind = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
                grant.element_with("Grantee", kind, owner);
                grant.text("Permission", FULL_CONTROL);
            });
        });
    })
}

/// The list that everything has, in any words.
pub(super) fn accept(document: &[u8]) -> Result<(), Error> {
    let asked = read::leaves(document, "AccessControlPolicy")?;
    let of = |wanted: &str| {
        let found = asked.iter().filter(move |(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    let grant = "AccessControlList/Grant";
    let one_grant = of(&format!("{grant}/Grantee/ID")) == [OWNER]
        && of(&format!("{grant}/Permission")) == [FULL_CONTROL];
    let nobody_else = ["URI", "EmailAddress"]
        .iter()
        .all(|kind| of(&format!("{grant}/Grantee/{kind}")).is_empty());
    if one_grant && nobody_else {
        Ok(())
    } else {
        Err(RequestError::Acl.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Setting;
    use crate::s3::error::Code;

    #[test]
    fn only_the_list_that_everything_has_is_accepted() {
        let list = |grants: &str| {
            let document = format!(
                "<AccessControlPolicy><Owner><ID>x</ID></Owner><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
            );
            Setting::Acl
                .accept(document.as_bytes())
                .map(drop)
                .map_err(|error| error.code())
        };
        let owner = "<Grant><Grantee><ID>pys3local</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>";
        let refused = Err(Code::AccessControlListNotSupported);
        assert_eq!(list(owner), Ok(()));
        assert_eq!(list(""), refused);
        assert_eq!(list(&format!("{owner}{owner}")), refused);
        for (from, to) in [
            ("FULL_CONTROL", "READ"),
            ("<ID>pys3local</ID>", "<ID>other</ID>"),
            (
                "<ID>pys3local</ID>",
                "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>",
            ),
        ] {
            assert_eq!(list(&owner.replace(from, to)), refused, "{to}");
            let both = format!("{owner}{}", owner.replace(from, to));
            assert_eq!(list(&both), refused, "{to}");
        }
    }
}
