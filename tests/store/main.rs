//! What every storage plugin owes, and what a bad one costs.
//!
//! [`contract`] is a list of facts about any [`Store`]; here they are tested of each store that
//! we have, one test for each fact and store. [`hostile`] runs a plugin that misbehaves.
//!
//! [`Store`]: pys3local_core::service::ports::Store
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod contract;
mod guests;
mod hostile;
mod rig;

/// One test for each fact.
macro_rules! facts {
    ($store:ident: $($group:ident { $($fact:ident)* })*) => {
        $($(
            #[tokio::test(flavor = "multi_thread")]
            async fn $fact() {
                let rig = crate::rig::$store().await;
                crate::contract::$group::$fact(&rig).await;
            }
        )*)*
    };
}

/// The facts that need buckets with names.
macro_rules! bucket_facts {
    ($store:ident) => {
        facts! { $store:
            buckets {
                a_bucket_is_there_from_its_creation_to_its_deletion
                a_bucket_with_an_object_is_not_deleted
                nothing_is_found_in_a_bucket_that_is_not_there
                buckets_do_not_share_keys
            }
        }
    };
}

/// The facts about objects.
macro_rules! object_facts {
    ($store:ident) => {
        facts! { $store:
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
                a_part_can_be_replaced_and_the_earlier_one_stays_good
                a_failed_part_costs_only_itself
                an_upload_is_invisible_until_it_is_completed
                an_upload_replaces_the_object_that_was_there
                a_completion_can_be_repeated_after_a_failure
                nothing_can_be_added_to_an_upload_that_is_over
                an_aborted_upload_leaves_nothing
                a_sweep_keeps_what_is_named_and_what_is_new
            }
        }
    };
}

macro_rules! contract {
    ($($store:ident)*) => {
        $(mod $store {
            object_facts!($store);
            bucket_facts!($store);
        })*
    };
}

contract! { memory local_objects local_plain wrapper }

mod local_single_bucket {
    object_facts!(local_single_bucket);
}
