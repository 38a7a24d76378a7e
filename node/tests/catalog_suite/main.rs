//! The behaviour every catalog has, whatever its make. A new make is one line at the end of this file.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::assigning_clones,
    clippy::similar_names,
    missing_docs,
    reason = "a test fails by panicking, and says so better in few words"
)]

#[path = "../authority/mod.rs"]
mod authority;
mod closing;
mod filters;
mod intents;
mod jobs;
mod made;
mod pages;
mod postgres;
mod rebuild;
mod retention;
mod searching;
mod sqlite;
mod totals;
mod transitions;

/// Runs every behaviour against one make.
macro_rules! suite {
    ($name:ident, $make:expr) => {
        mod $name {
            suite!(@tests $make;
                intents: accepted_and_read_back, judged_by_term_mode_and_transition, repeated_are_accepted_once,
                    waiting_together_share_transactions, one_bad_row_fails_only_itself, one_key_is_open_once,
                    outlive_whoever_asked;
                closing: commit_caches_and_closes, rows_move_forward_only, ends_are_final, over_terms_change_nothing,
                    failed_blocks_and_is_lifted, the_log_is_paged_and_counted, odd_text_is_kept,
                    one_refused_commit_fails_only_itself;
                filters: each_finds_what_it_says, parts_of_names_are_found_wherever_they_stand;
                pages: every_order_is_walked_whole, pages_stand_still_under_inserts, offsets_count,
                    rows_of_one_number_keep_apart, common_words_are_counted_and_ranked_so_far,
                    matches_are_found_however_far_back;
                searching: finds_in_both_languages, ranks_names_first, syntax_is_plain_text,
                    follows_changes_and_removals;
                rebuild: marks_and_sweeps, corrects_either_way, refresh_never_inserts, ends_once, doubles_are_kept;
                transitions: prepared_and_committed, one_transition_at_a_time, ends_by_itself,
                    guarded_by_term_or_version, inherited_unless_done, waits_for_open_transactions,
                    a_foreign_row_is_no_commit, closes_the_door_exactly, a_commit_races_uploads;
                jobs: one_of_a_kind_runs, interrupted_with_their_node, the_latest_hundred_ended_are_kept;
                retention: is_summed_over_active_files, candidates_come_by_age, only_ended_rows_are_purged,
                    rows_come_by_their_ids;
                totals: are_exact_whatever_happens, of_an_element_and_its_terms;
            );
        }
    };
    (@tests $make:expr; $($room:ident: $($behaviour:ident),+;)+) => {
        $(mod $room {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                crate::$room::$behaviour(&$make).await;
            })+
        })+
    };
}

suite!(on_sqlite, crate::sqlite::Sqlite);
suite!(on_postgres, crate::postgres::Postgres);
