//! What every storage plugin owes, and what a bad one costs.
//!
//! The contract is a list of facts about any [`Store`]; here they are tested of each store that
//! we have, one test for each fact and store. [`hostile`] and [`outside`] run a plugin that misbehaves, and
//! [`released`] one that was built from the first released interface.
//!
//! [`Store`]: pys3local_core::service::ports::Store
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod guests;
mod hostile;
mod network;
mod outside;
mod released;
mod rig;

use pys3local_core::contract::Fact;

/// One test for each fact and store.
macro_rules! facts {
    (@each $store:ident $($fact:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let rig = crate::rig::$store().await;
                let fact = crate::Fact::named(stringify!($fact)).unwrap();
                fact.check(rig.of_contract()).await;
            }
        )*
    };
    (single $store:ident, $($group:ident { $($fact:ident)* })* ; $($rest:tt)*) => {
        mod $store { $(facts! { @each $store $($fact)* })* }
    };
    (
        named $store:ident,
        $($group:ident { $($fact:ident)* })* ;
        $($bucket_group:ident { $($bucket_fact:ident)* })*
    ) => {
        mod $store {
            $(facts! { @each $store $($fact)* })*
            $(facts! { @each $store $($bucket_fact)* })*
        }
    };
}

pys3local_core::every_fact! { facts!(named memory,) }
pys3local_core::every_fact! { facts!(named local_objects,) }
pys3local_core::every_fact! { facts!(named local_plain,) }
pys3local_core::every_fact! { facts!(named vault,) }
pys3local_core::every_fact! { facts!(single local_single_bucket,) }
pys3local_core::every_fact! { facts!(named drime,) }
pys3local_core::every_fact! { facts!(named drime_of_another_mood,) }
pys3local_core::every_fact! { facts!(single drime_single_bucket,) }
