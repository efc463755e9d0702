-- For `PgStoreBuilder::cache`, and for nothing else: whoever changes or deletes a user or a session,
-- by whatever program, tells the processes that may have kept them in memory. Running it again
-- changes nothing. Postgres 14 or newer.
--
-- With a cache, `PgStore::migrate` runs this file after the one that makes the tables. Hand it to a
-- migration tool of your own otherwise.
--
-- A notification goes out when the change is committed, on the channel `lucia_` with the OID of the
-- table. It says `s` with the public ids of sessions, or `u` with the SHA-256 of the ids of users, or
-- `*` for all that there are. Tokens are in none: where a stored id is one, its hash is sent. A
-- payload has less than 8000 bytes.
--
-- The comment on the function says whose it is: lucia replaces no function without it, and counts no
-- trigger that runs another one.

-- A trigger's argument says what its table holds. The id of a session is a hash, or the token itself on
-- a table of Lucia v2.
CREATE OR REPLACE FUNCTION "lucia_changed"() RETURNS TRIGGER LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    told TEXT[];
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
    PERFORM pg_notify('lucia_' || TG_RELID, word) FROM unnest(told) AS word;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION "lucia_changed"() IS 'lucia: tells caches what has changed';

CREATE OR REPLACE TRIGGER "lucia_update" AFTER UPDATE ON "auth_user"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_changed"('users');
CREATE OR REPLACE TRIGGER "lucia_delete" AFTER DELETE ON "auth_user"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_changed"('users');
CREATE OR REPLACE TRIGGER "lucia_truncate" AFTER TRUNCATE ON "auth_user"
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_changed"('users');

CREATE OR REPLACE TRIGGER "lucia_update" AFTER UPDATE ON "user_session"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_changed"('sessions');
CREATE OR REPLACE TRIGGER "lucia_delete" AFTER DELETE ON "user_session"
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_changed"('sessions');
CREATE OR REPLACE TRIGGER "lucia_truncate" AFTER TRUNCATE ON "user_session"
    FOR EACH STATEMENT EXECUTE FUNCTION "lucia_changed"('sessions');
