//! What every store owes: the definition of a plugin. Each fact is a sentence that can be false;
//! our own tests hold each of our stores to it, and `pys3local plugin check` any component.
//!
//! A fact that is false panics, as a test does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a fact that is false panics, as a test does"
)]

mod buckets;
pub mod data;
mod listing;
mod objects;
mod racing;
mod rig;
mod uploads;

pub use rig::{Rig, accepted, body, collect, filled, key, receipt};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// Something that is true of every store.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// Which subject it belongs to.
    pub group: &'static str,
    /// A sentence, its words joined by underscores.
    pub name: &'static str,
    /// It is about buckets with names, which a store in default-bucket mode does not have.
    pub needs_buckets: bool,
    check: for<'a> fn(&'a Rig) -> BoxFuture<'a, ()>,
}

impl Fact {
    /// Checks it on a rig whose bucket is empty, and panics if it is false.
    pub async fn check(&self, rig: &Rig) {
        (self.check)(rig).await;
    }

    /// The fact with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FACTS.iter().find(|fact| fact.name == name)
    }
}

/// Calls a macro with the names of all facts, by group; those that need buckets come behind the
/// semicolon. So that a test runner can have one test for each.
#[macro_export]
macro_rules! every_fact {
    ($callback:ident!($($first:tt)*)) => {
        $callback! { $($first)*
            objects {
                an_object_comes_back_as_it_was_put
                an_empty_object_is_an_object
                a_deleted_object_is_gone_and_deleting_nothing_is_no_error
                each_of_many_deletions_is_answered
                a_range_is_exactly_the_bytes_asked_for
                an_overwrite_changes_the_version_even_if_the_bytes_are_the_same
                a_body_that_errs_leaves_the_old_object_and_nothing_else
                a_withheld_verdict_leaves_the_old_object_and_nothing_else
                a_large_body_passes_through
                a_copy_has_the_bytes_of_its_source
                a_copy_of_another_state_is_refused
            }
            listing {
                every_odd_key_is_stored_and_told_from_every_other
                pages_are_those_of_a_naive_listing
                a_listed_object_is_described_as_by_stat
                a_page_can_begin_behind_any_text
            }
            racing {
                a_reader_sees_one_object_whole_while_it_is_overwritten
                many_objects_can_be_put_at_once
                uploads_of_one_key_do_not_mix
                a_body_that_nobody_reads_to_its_end_holds_up_nothing
            }
            uploads {
                parts_may_come_in_any_order_and_with_gaps
                parts_with_places_become_one_object
                an_upload_of_nothing_is_an_empty_object
                a_part_can_be_replaced_and_the_earlier_one_stays_good
                a_failed_part_costs_only_itself
                an_upload_is_invisible_until_it_is_completed
                an_upload_replaces_the_object_that_was_there
                a_completion_can_be_repeated_after_a_failure
                nothing_can_be_added_to_an_upload_that_is_over
                an_aborted_upload_leaves_nothing
                a_sweep_keeps_what_is_named_and_what_is_new
            }
            ;
            buckets {
                a_bucket_is_there_from_its_creation_to_its_deletion
                a_bucket_with_an_object_is_not_deleted
                nothing_is_found_in_a_bucket_that_is_not_there
                buckets_do_not_share_keys
            }
        }
    };
}

macro_rules! list {
    ($($group:ident { $($fact:ident)* })* ; $($bucket_group:ident { $($bucket_fact:ident)* })*) => {
        /// All of them.
        pub const FACTS: &[Fact] = &[
            $($(Fact {
                group: stringify!($group),
                name: stringify!($fact),
                needs_buckets: false,
                check: |rig| $group::$fact(rig).boxed(),
            },)*)*
            $($(Fact {
                group: stringify!($bucket_group),
                name: stringify!($bucket_fact),
                needs_buckets: true,
                check: |rig| $bucket_group::$bucket_fact(rig).boxed(),
            },)*)*
        ];
    };
}
every_fact! { list!() }
