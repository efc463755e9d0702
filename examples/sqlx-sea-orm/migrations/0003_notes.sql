CREATE TABLE note (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- `Auth::delete_user` takes the notes along, in the same transaction.
    user_id TEXT NOT NULL REFERENCES auth_user (id) ON DELETE CASCADE,
    body TEXT NOT NULL
);
CREATE INDEX note_user_id_idx ON note (user_id);
