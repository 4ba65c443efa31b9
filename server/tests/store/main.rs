//! What every database does alike: one suite, run for each.
#![allow(missing_docs, unreachable_pub, reason = "it is a test")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod accounts;
mod decisions;
mod entries;
mod policies;
mod reputations;
mod scene;
mod tokens;
mod trainings;
mod usage;
mod verifications;

/// Runs the suite for a database: `open` makes an empty one, which goes when its guard does.
macro_rules! conforms {
    ($database:ident, $open:path: $($room:ident { $($story:ident),+ $(,)? })+) => {
        mod $database {
            $(mod $room {
                $(#[tokio::test]
                async fn $story() {
                    let (store, _guard) = $open().await;
                    crate::$room::$story(&store).await;
                })+
            })+
        }
    };
}

/// The suite.
macro_rules! suite {
    ($database:ident, $open:path) => {
        conforms! { $database, $open:
            accounts {
                an_account_is_read_as_it_was_written,
                a_name_is_taken_once,
                a_change_needs_the_version_before,
                what_hangs_on_an_account_goes_with_it,
                accounts_are_listed_in_order_by_filter_and_page,
            }
            policies {
                a_policy_is_read_as_it_was_written,
                a_policy_changes_by_versions,
                who_is_under_a_policy_is_counted,
            }
            entries {
                entries_are_put_replaced_and_removed_in_one_go,
                entries_are_listed_by_filter_and_page,
                an_entry_that_has_expired_is_not_loaded,
            }
            reputations {
                answers_are_kept_over_older_ones_until_they_expire,
                many_answers_are_kept_and_loaded_in_pages,
                how_far_a_source_was_read_is_kept,
            }
            tokens {
                tokens_come_and_go,
            }
            trainings {
                allowed_calls_are_told_with_their_ends,
                the_last_word_on_a_number_counts,
                a_suggestion_gives_way_to_the_next,
                a_training_changes_its_account_or_nothing,
            }
            verifications {
                a_challenge_is_opened_so_often_and_passed_once,
                a_verification_is_completed_once,
                passing_changes_all_or_nothing,
                a_passed_verification_is_used_once,
                failures_are_counted_and_forgotten,
                grants_are_used_and_expire,
                a_challenge_is_known_when_it_was_shipped_or_opened,
                challenges_are_told_by_their_first_opening,
            }
            decisions {
                a_shipment_that_comes_twice_is_there_once,
                decisions_are_listed_newest_first_by_filter_and_page,
                statistics_count_a_span_of_time,
                what_is_old_is_pruned,
                an_outcome_comes_with_its_entry,
            }
            usage {
                usage_adds_up_and_starts_anew_after_a_reset,
                calls_that_have_not_ended_hold_their_slots,
            }
        }
    };
}

suite!(sqlite, crate::scene::sqlite);
