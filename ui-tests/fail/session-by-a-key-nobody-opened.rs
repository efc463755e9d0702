use lucia::Auth;

async fn sign_in(auth: &Auth, username: &str) -> lucia::Result<()> {
    if let Some(key) = auth.key(("username", username)).await? {
        auth.create_session(&key).await?;
    }
    Ok(())
}

fn main() {}
