-- Hashes the tokens that are still stored. Nobody is logged out by this.
UPDATE user_session SET id = encode(sha256(convert_to(id, 'UTF8')), 'hex')
WHERE id !~ '^[0-9a-f]{64}$';
