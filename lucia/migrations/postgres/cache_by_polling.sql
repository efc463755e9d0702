-- For `PgStoreBuilder::cache` with `PgStoreBuilder::cache_poll_interval`, in place of `cache.sql`: whoever changes
-- or deletes a user or a session, by whatever program, leaves a row that says so, and the processes that
-- may have kept them in memory look for it. Running it again changes nothing. Postgres 14 or newer.
--
-- With such a cache, `PgStore::migrate` runs this file after the one that makes the tables. Hand it to a
-- migration tool of your own otherwise. The triggers of both files can be on a table at once.
--
-- A row of "lucia_change" is written by the transaction of the change and has its number. "change" says
-- what the notifications of `cache.sql` say. The row in which "swept" is not NULL holds a random number,
-- by which processes know that no row was lost, and the transaction before which rows were deleted. The
-- processes make it and keep it up to date. Delete nothing from the table by hand. TRUNCATE is safe.
--
-- The table is UNLOGGED: a crash, a restored backup and the promotion of a standby leave it empty. So the
-- processes know that the database may have gone back to an earlier state, and keep nothing from before.

CREATE UNLOGGED TABLE IF NOT EXISTS "lucia_change" (
    "xact" xid8 NOT NULL DEFAULT pg_current_xact_id(),
    "change" TEXT NOT NULL,
    "swept" xid8
);
CREATE INDEX IF NOT EXISTS "lucia_change_xact_idx" ON "lucia_change" ("xact") WHERE "swept" IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS "lucia_change_swept_idx" ON "lucia_change" (("swept" IS NOT NULL))
    WHERE "swept" IS NOT NULL;
COMMENT ON TABLE "lucia_change" IS 'lucia: tells caches what has changed';

-- A trigger's argument says what its table holds. The function runs with the rights of its owner, so an
-- account that changes users and sessions needs none on "lucia_change". It writes to the table of that
-- name in its own schema, and to none where that was dropped. Nobody else may make a trigger of it, which
-- takes the right to execute it: on a table of their own, with a type and a cast of their own, they could
-- have it run what they want. For the same reason it casts nothing that it reads.
CREATE OR REPLACE FUNCTION "lucia_record_change"() RETURNS TRIGGER LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    told TEXT[];
    changes TEXT;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        told := ARRAY['*'];
    ELSIF EXISTS (SELECT FROM old_rows OFFSET 10000) THEN
        told := ARRAY['*'];
    ELSIF TG_ARGV[0] = 'users' THEN
        told := ARRAY(
            SELECT 'u' || string_agg(changed.id, ',')
            FROM (
                -- As it is read: a cast would take the blanks off a CHAR.
                SELECT encode(sha256(convert_to(concat(u."id"), 'UTF8')), 'hex') AS id,
                    row_number() OVER () / 100 AS part
                FROM old_rows AS u
            ) AS changed
            GROUP BY changed.part
        );
    ELSE
        told := ARRAY(
            SELECT 's' || string_agg(changed.id, ',')
            FROM (
                SELECT CASE
                        WHEN rtrim(concat(s."id")) COLLATE "C" ~ '^[0-9a-f]{64}$' THEN rtrim(concat(s."id"))
                        ELSE encode(sha256(decode(
                            replace(rtrim(concat(s."id")) COLLATE "C", E'\\', E'\\\\'), 'escape')), 'hex')
                    END AS id,
                    row_number() OVER () / 100 AS part
                FROM old_rows AS s
            ) AS changed
            GROUP BY changed.part
        );
    END IF;
    changes := (
        SELECT format('%I.lucia_change', nspname)
        FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
            JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE tgrelid = TG_RELID AND tgname = TG_NAME
    );
    IF cardinality(told) > 0 AND to_regclass(changes) IS NOT NULL THEN
        EXECUTE format('INSERT INTO %s ("change") SELECT unnest($1)', changes) USING told;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION "lucia_record_change"() IS 'lucia: tells caches what has changed';
REVOKE EXECUTE ON FUNCTION "lucia_record_change"() FROM PUBLIC;

CREATE OR REPLACE TRIGGER "lucia_record_update" AFTER UPDATE ON "auth_user"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_record_change"('users');
CREATE OR REPLACE TRIGGER "lucia_record_delete" AFTER DELETE ON "auth_user"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_record_change"('users');
CREATE OR REPLACE TRIGGER "lucia_record_truncate" AFTER TRUNCATE ON "auth_user"
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_record_change"('users');

CREATE OR REPLACE TRIGGER "lucia_record_update" AFTER UPDATE ON "user_session"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_record_change"('sessions');
CREATE OR REPLACE TRIGGER "lucia_record_delete" AFTER DELETE ON "user_session"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_record_change"('sessions');
CREATE OR REPLACE TRIGGER "lucia_record_truncate" AFTER TRUNCATE ON "user_session"
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_record_change"('sessions');
