//! The lists of cases: the tests and `Case::all` are made of the same ones.

/// The cases for sessions.
#[doc(hidden)]
#[macro_export]
macro_rules! __session_cases {
    ($($purpose:tt)*) => {
        $crate::__conformance! { $($purpose)*
            sessions {
                a_session_comes_back_as_it_was_stored
                an_unknown_session_is_none
                several_sessions_are_found_at_once
                the_device_and_the_address_are_kept
                a_session_that_nobody_proved_is_kept_as_such
                a_session_is_persistent_or_not_for_as_long_as_it_lives
                times_are_kept_to_the_millisecond_however_far_away
                sessions_of_users_with_hostile_ids_are_kept_apart
                the_sessions_of_a_user_are_listed_the_oldest_first
                a_user_without_sessions_has_an_empty_list
                a_renewal_moves_the_times_and_nothing_else
                renewing_an_unknown_session_is_false
                a_renewal_does_not_bring_a_deleted_session_back
                a_renewal_beside_a_deletion_leaves_no_session
                parallel_renewals_all_find_the_session
                a_deleted_session_is_gone_and_others_stay
                deleting_an_unknown_session_is_false
                a_session_is_deleted_for_its_owner_only
                the_sessions_of_a_user_are_deleted_and_no_others
                the_sessions_of_a_user_are_deleted_except_one
                a_session_of_someone_else_is_no_exception
                deleting_the_sessions_of_an_unknown_user_is_silent
                a_session_at_its_last_moment_is_not_expired
                no_more_expired_sessions_are_deleted_than_asked
                sweeping_where_nothing_is_expired_deletes_nothing
                two_sweepers_at_once_delete_each_expired_session_once
                a_store_that_works_says_so
            }
            replacements {
                a_session_replaces_another_one
                a_session_replaces_one_of_somebody_else
                a_session_replaces_one_that_is_not_there
                two_sessions_that_replace_one_at_once_are_both_stored
                the_newest_session_and_those_renewed_last_are_kept
                the_newest_session_is_kept_whatever_its_times
                expired_sessions_go_before_unexpired_ones
                no_more_sessions_go_than_are_in_excess
                the_sessions_of_others_are_never_in_excess
                a_session_that_is_replaced_is_not_in_excess
                of_fifty_sessions_at_once_as_many_are_left_as_asked
                of_two_limits_at_once_the_sessions_of_one_stay
                a_rotation_beside_a_limit_leaves_no_more_than_asked
            }
            rotations {
                a_rotation_changes_the_id_and_the_times_and_nothing_else
                a_rotation_is_a_proof_when_it_says_so
                rotating_an_unknown_session_is_false
                a_session_is_rotated_again_and_again
                a_rotation_beside_a_deletion_leaves_no_session
                of_two_rotations_at_once_one_wins
            }
            attributes {
                the_attributes_of_a_session_come_back_with_the_defaults
                an_update_of_a_session_sets_what_it_names_and_leaves_the_rest
                an_empty_update_of_a_session_changes_nothing
                updating_an_unknown_session_is_none
                a_session_breaks_no_rule_of_its_table
                an_attribute_of_a_session_never_reaches_a_column_of_lucias
                an_attribute_of_a_session_without_a_column_is_named
            }
        }
    };
}

/// The cases for users and keys.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_cases {
    ($($purpose:tt)*) => {
        $crate::__conformance! { $($purpose)*
            users {
                a_user_comes_back_as_they_were_stored
                a_user_gets_the_defaults_of_the_database
                an_unknown_user_is_none
                several_users_are_found_at_once
                a_user_and_their_key_are_stored_together
                a_taken_key_leaves_no_user_behind
                a_taken_key_goes_before_a_taken_value
                a_taken_user_id_is_an_error_of_its_own
                a_taken_value_is_a_unique_violation_that_names_the_column
                a_missing_value_is_a_not_null_violation_that_names_the_column
                fifty_sign_ups_of_one_name_make_one_user
                an_attribute_without_a_column_is_named_and_nothing_is_stored
                an_attribute_never_reaches_the_id
                hostile_users_are_stored_as_they_are
                an_update_sets_what_it_names_and_leaves_the_rest
                an_update_can_set_null
                an_empty_update_changes_nothing
                updating_an_unknown_user_is_none
                an_update_to_a_taken_value_changes_nothing
                errors_show_no_values
                deleting_a_user_deletes_their_keys_and_sessions_and_no_others
                deleting_an_unknown_user_is_silent
                the_table_of_users_is_described
            }
            keys {
                a_key_comes_back_as_it_was_stored
                a_key_can_be_without_a_password
                an_unknown_key_is_none
                all_keys_of_a_user_are_listed_and_no_others
                a_user_without_keys_has_an_empty_list
                a_key_of_an_unknown_user_is_refused
                a_taken_key_stays_whose_it_is
                hostile_keys_are_stored_as_they_are
                a_password_is_replaced_or_taken_away
                updating_the_password_of_an_unknown_key_is_false
                a_password_of_a_key_that_is_somebody_elses_by_now_stays
                a_password_is_swapped_when_its_hash_is_still_there
                a_password_that_changed_is_not_swapped
                of_parallel_swaps_of_a_password_one_succeeds
                a_deleted_key_is_gone_and_others_stay
                the_last_key_of_a_user_stays
                the_last_key_of_a_user_goes_when_it_is_asked_for
                of_two_keys_deleted_at_once_one_stays
                deleting_an_unknown_key_says_so
            }
            together {
                a_session_and_its_user_come_together
                a_expired_session_still_comes_with_its_user
                an_unknown_session_comes_without_a_user
                several_sessions_and_their_users_come_together
                a_deleted_user_leaves_neither_session_nor_user
                a_session_of_an_unknown_user_is_refused
                a_refused_session_replaces_nothing
                a_session_that_cannot_be_stored_ends_no_other
                deleting_a_user_beside_their_sign_ins_leaves_no_session
                deleting_a_user_succeeds_however_often_they_sign_in
                deleting_users_beside_all_that_they_do_leaves_nothing
            }
            sign_ins {
                a_session_begins_by_the_key_that_was_opened
                a_session_by_a_key_replaces_one_and_holds_the_limit
                a_key_that_is_not_as_it_was_opened_begins_no_session
                of_fifty_sessions_by_a_key_as_many_are_left_as_asked
                no_session_of_an_old_password_outlives_the_change
                a_key_that_changes_beside_its_sign_ins_does_not_get_stuck
            }
            passwords {
                a_new_password_ends_all_sessions_of_its_user_and_no_others
                a_new_password_keeps_the_session_named_under_its_new_id
                a_password_of_an_unknown_key_changes_nothing
                a_password_of_somebody_elses_key_changes_nothing
                a_password_beside_a_session_that_is_gone_changes_nothing
                a_password_beside_a_session_of_somebody_else_changes_nothing
                a_new_password_takes_the_place_of_the_one_verified
                a_password_that_is_not_the_one_verified_changes_nothing
                a_password_set_beside_a_change_stays
                of_parallel_changes_of_one_verified_password_one_succeeds
                of_two_new_passwords_that_keep_one_session_one_wins
                new_passwords_beside_all_that_ends_sessions_do_not_get_stuck
            }
            key_writes {
                a_key_is_written_in_a_session_of_its_user
                a_key_is_written_in_no_session_that_is_gone_or_somebody_elses
                a_key_that_is_unknown_or_somebody_elses_is_not_written
                a_key_is_verified_and_no_other
                a_password_is_set_for_a_key_that_has_none
                a_renamed_key_keeps_its_password_and_is_verified
                a_key_is_not_written_over_a_taken_one
                of_parallel_renames_to_one_key_one_succeeds
                of_keys_that_their_user_deletes_at_once_the_last_one_stays
                no_key_is_written_in_a_session_that_has_ended
                writes_beside_all_that_ends_sessions_do_not_get_stuck
            }
            claims {
                a_claimed_key_leaves_no_password_and_no_session_of_the_user
                an_account_with_another_way_in_is_not_claimed
                a_key_that_is_unknown_or_somebody_elses_is_not_claimed
                no_session_of_a_password_outlives_the_claim_of_a_key
                no_key_of_a_session_opens_beside_the_owner_of_another
            }
        }
    };
}

/// The cases for sign-in attempts.
#[doc(hidden)]
#[macro_export]
macro_rules! __attempt_cases {
    ($($purpose:tt)*) => {
        $crate::__conformance! { $($purpose)*
            attempts {
                as_many_attempts_are_admitted_as_the_limit_says
                a_count_ends_when_its_first_attempt_said
                when_a_count_has_ended_another_one_begins
                a_count_of_a_clock_that_was_wrong_has_ended
                a_count_of_a_clock_that_is_ahead_goes_on
                the_count_says_whether_its_clock_was_wrong
                attempts_of_different_limits_are_counted_together
                an_attempt_of_a_longer_period_extends_the_count
                an_attempt_of_a_shorter_period_does_not_cut_the_count_short
                an_attempt_that_is_refused_extends_no_count
                attempts_of_different_ids_are_counted_apart
                of_fifty_attempts_at_once_as_many_are_admitted_as_the_limit_says
                an_attempt_that_is_taken_back_makes_room_for_one
                no_more_attempts_are_taken_back_than_were_counted
                an_attempt_is_taken_back_out_of_its_own_count
                attempts_that_are_all_taken_back_leave_no_count
                an_attempt_is_taken_back_out_of_a_count_that_was_extended
                counts_that_have_ended_are_deleted_and_no_others
                counts_of_a_clock_that_was_wrong_are_deleted
                a_count_that_was_extended_is_deleted_after_its_new_end
                no_more_counts_are_deleted_than_asked
            }
            places {
                an_attempt_finds_its_key
                attempts_at_one_key_are_counted_together_in_the_second_place
                each_place_has_a_limit_of_its_own
                attempts_at_a_key_of_another_salt_are_counted_apart
                where_the_first_place_is_full_nothing_else_happens
                where_the_second_place_is_full_the_first_one_is_filled
                each_place_has_a_count_of_its_own
                an_attempt_is_taken_back_out_of_all_its_places
                of_fifty_attempts_by_many_first_places_as_many_are_admitted_as_the_limit_says
                attempts_that_share_places_crosswise_neither_block_nor_leave_anything
                attempts_of_a_client_at_all_keys_are_counted_together
                an_attempt_of_a_client_that_is_refused_at_a_key_stays_counted_for_the_client
                of_fifty_attempts_of_a_client_at_once_as_many_are_admitted_as_the_limit_says
            }
        }
    };
}

/// The cases for one-time tokens.
#[doc(hidden)]
#[macro_export]
macro_rules! __token_cases {
    ($($purpose:tt)*) => {
        $crate::__conformance! { $($purpose)*
            tokens {
                a_token_comes_back_as_it_was_stored
                an_unknown_token_is_none
                a_token_is_taken_once_and_looked_at_before
                of_fifty_that_take_a_token_at_once_one_gets_it
                a_code_is_taken_by_its_hash_alone
                a_code_is_tried_until_no_try_is_left
                of_fifty_tries_at_once_as_many_are_admitted_as_are_left
                a_link_is_not_tried
                a_token_takes_the_place_of_the_one_with_its_id
                the_former_tokens_of_user_and_purpose_go_when_it_is_asked_for
                of_fifty_that_replace_each_other_at_once_one_is_left
                a_token_of_an_unknown_user_is_refused
                a_deleted_user_leaves_no_tokens
                deleting_a_user_beside_their_tokens_leaves_none
                the_tokens_of_a_user_are_deleted_and_no_others
                tokens_that_have_expired_are_deleted_and_no_others
                no_more_tokens_are_deleted_than_asked
            }
            key_writes {
                a_key_is_written_by_a_token_of_its_user
                a_key_is_written_by_no_token_that_is_gone_or_somebody_elses
                a_note_is_stored_with_a_key_that_is_renamed_and_with_no_other
                a_note_that_has_not_expired_keeps_its_key_from_a_renamed_one
            }
            claims {
                a_claimed_key_leaves_no_tokens_of_its_user
                a_claim_takes_its_link_or_leaves_it
                a_user_who_can_undo_a_change_of_address_keeps_the_account
            }
            claims_by_note {
                a_claim_by_a_note_leaves_the_keys_that_it_names
                a_claim_by_a_note_deletes_other_keys_than_it_names
                no_key_of_a_session_outlives_a_claim_by_a_note
                a_claim_by_a_note_gives_the_user_the_key
                a_claim_by_a_note_is_refused_without_the_note_or_the_user
                of_ten_claims_by_one_note_one_succeeds
            }
        }
    };
}

/// The cases for mails.
#[doc(hidden)]
#[macro_export]
macro_rules! __mail_cases {
    ($($purpose:tt)*) => {
        $crate::__conformance! { $($purpose)*
            mails {
                a_mail_comes_back_as_it_was_stored
                a_mail_is_claimed_when_it_is_due_and_the_first_one_first
                a_claim_ends_and_each_one_is_counted
                of_fifty_that_claim_at_once_each_gets_another_mail
                a_mail_is_postponed_by_its_last_claim_alone
                a_deleted_mail_is_gone_and_others_stay
                a_mail_that_is_stored_again_stays_as_it_is
            }
        }
    };
}

/// The cases for credentials.
#[doc(hidden)]
#[macro_export]
macro_rules! __credential_cases {
    ($($purpose:tt)*) => {
        $crate::__conformance! { $($purpose)*
            credentials {
                a_credential_comes_back_as_it_was_stored
                an_unknown_credential_is_none
                a_credential_takes_the_place_of_the_one_with_its_id
                a_credential_of_another_user_or_kind_stays_as_it_is
                the_credentials_of_a_user_and_kind_are_listed_the_oldest_first
                data_is_replaced_where_it_is_still_the_same
                of_fifty_replacements_of_the_same_data_at_once_one_happens
                a_credential_is_deleted_for_its_user_alone
                a_credential_is_deleted_where_its_data_is_still_the_same
                a_credential_of_an_unknown_user_is_refused
                a_deleted_user_leaves_no_credentials
                deleting_a_user_beside_their_credentials_leaves_none
            }
        }
    };
}

/// What is made of a list of cases: tests, or the list itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance {
    (tests $case:ident $attributes:tt $function:tt $($module:ident { $($name:ident)* })*) => {
        $($($crate::__conformance! { test $case $attributes $function $name })*)*
    };
    (test $case:ident [$($attribute:tt)+] [$function:path] $name:ident) => {
        $($attribute)+
        async fn $name() {
            let case = $crate::store::conformance::$case::named(::core::stringify!($name));
            $function(case).await;
        }
    };
    (list $body:path, $case:ident $($module:ident { $($name:ident)* })*) => {
        &[$($($case {
            name: stringify!($name),
            body: $body(|store| Box::pin($module::$name(store))),
        },)*)*]
    };
}
