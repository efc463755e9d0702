use lucia::{Auth, AuthRequest, Result, UserId};

async fn by_key(auth: &Auth, auth_request: &AuthRequest, username: &str) -> Result<()> {
    if let Some(key) = auth.key(("username", username)).await? {
        auth_request.sign_in(key).await?;
    }
    Ok(())
}

async fn by_name(auth_request: &AuthRequest, username: &str) -> Result<()> {
    auth_request.sign_in(username).await?;
    Ok(())
}

async fn by_id(auth_request: &AuthRequest, id: &UserId) -> Result<()> {
    auth_request.sign_in(id).await?;
    Ok(())
}

fn main() {}
