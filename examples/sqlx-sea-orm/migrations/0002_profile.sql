-- The application's columns in lucia's table of users.
ALTER TABLE auth_user ADD COLUMN username TEXT NOT NULL UNIQUE;
