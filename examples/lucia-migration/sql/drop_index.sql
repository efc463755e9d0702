-- Nothing looks for tokens any more.
DROP INDEX IF EXISTS user_session_public_id_idx;
