CREATE TABLE settings (
    user_id TEXT PRIMARY KEY REFERENCES auth_user (id) ON DELETE CASCADE,
    theme TEXT NOT NULL DEFAULT 'light'
);

-- No user is without settings: the row is made in the transaction that creates the user.
CREATE FUNCTION create_settings() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO settings (user_id) VALUES (NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER create_settings AFTER INSERT ON auth_user
    FOR EACH ROW EXECUTE FUNCTION create_settings();
