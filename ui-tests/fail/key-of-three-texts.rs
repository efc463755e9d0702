use lucia::{Auth, NewUser, Password, Result};

async fn texts(auth: &Auth, username: &str, password: &str) -> Result<()> {
    auth.verify_password("username", username, password).await?;
    auth.reset_password("username", username, password).await?;
    auth.delete_key("username", username).await?;
    auth.key(username).await?;
    let _ = NewUser::with_password("username", username, password);
    let _ = Password::new("username", username, password);
    Ok(())
}

fn main() {}
