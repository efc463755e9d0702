use lucia::deadpool_postgres::Transaction;
use lucia::{Auth, AuthRequest, NewUser, Result};
use serde::Serialize;

#[derive(Serialize)]
struct Profile {
    username: String,
}

async fn create(auth: &Auth, profile: Profile) -> Result<()> {
    let new_user = NewUser::without_key().attributes(&profile);
    auth.create_user(new_user).await?;
    Ok(())
}

async fn create_in(auth: &Auth, transaction: &Transaction<'_>, profile: Profile) -> Result<()> {
    auth.create_user(NewUser::without_key().attributes(&profile))
        .transaction(transaction)
        .await?;
    Ok(())
}

async fn sign_up(auth_request: &AuthRequest, profile: Profile) -> Result<()> {
    let new_user = NewUser::with_password(("username", "ada"), "correct horse battery");
    auth_request
        .sign_up(new_user.attributes(&profile))
        .remember(false)
        .await?;
    Ok(())
}

fn main() {}
