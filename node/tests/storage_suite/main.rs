//! The behaviour every storage has, whatever its make. A new make is one line at the end of this file.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
#[path = "../authority/mod.rs"]
mod authority;
mod element;
mod files;
mod local;
mod made;
mod reading;
mod replacing;
mod s3;
mod scanning;
#[path = "../stores/mod.rs"]
mod stores;
mod terms;

/// Runs behaviours against one make.
macro_rules! suite {
    ($name:ident, $make:expr; $($rooms:tt)+) => {
        mod $name {
            suite!(@tests $make; $($rooms)+);
        }
    };
    (@tests $make:expr; $($room:ident: $($behaviour:ident),+;)+) => {
        $(mod $room {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                let place = crate::made::Make::place(&$make).await;
                crate::$room::$behaviour(place.as_ref()).await;
            })+
        })+
    };
}

/// What every make does.
macro_rules! every_behaviour {
    ($name:ident, $make:expr) => {
        suite!($name, $make;
            files: come_whole_and_leave_nothing_staged, are_not_seen_before_they_are_published,
                dropped_leave_nothing, dropped_while_a_piece_is_written_leave_nothing, keep_their_neighbours;
            replacing: an_attr_leaves_its_data_alone, nothing_without_a_staged_attr, unstaged_never_comes,
                a_transaction_stages_once, made_impossible_never_comes;
            reading: ranges_give_their_bytes, what_is_not_there_is_said, finds_by_id_what_came_meanwhile,
                durable_and_removed_as_often_as_asked, purged_and_set_aside_as_often_as_asked;
            scanning: finds_both_halves_of_everything, ends_early_when_nobody_listens, sends_all_of_many;
            element: is_replaced_whole, is_told_from_a_place_with_files, keeps_reports_of_mode_changes,
                says_what_space_it_has, answers_a_probe;
        );
    };
}

every_behaviour!(on_a_local_volume, crate::local::Local);
every_behaviour!(on_s3, crate::s3::S3);

// What a storage does that has staging folders.
suite!(with_staging, crate::local::Local;
    terms: what_another_term_began_can_not_end, what_another_term_staged_is_kept_until_emptied,
        begin_as_often_as_they_like, tell_the_highest_epoch, end_when_nothing_is_staged,
        say_whether_anything_is_staged, an_older_one_does_not_begin_after_a_newer, finish_only_what_has_the_right_size;
);
