-- What is left of Lucia v2: living sessions whose tokens are stored, and keys with its hashes.
SELECT
    (SELECT count(*) FROM user_session
        WHERE id !~ '^[0-9a-f]{64}$' AND idle_expires >= extract(epoch FROM now()) * 1000) AS tokens,
    (SELECT count(*) FROM user_key WHERE hashed_password NOT LIKE '$argon2%') AS hashes;
