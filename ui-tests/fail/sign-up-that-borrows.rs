use lucia::deadpool_postgres::Transaction;
use lucia::{Auth, AuthRequest, NewUser, Result};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Profile<'a> {
    username: &'a str,
}

async fn create(auth: &Auth, username: &str) -> Result<()> {
    let new_user = NewUser::without_key().attributes(&Profile { username });
    auth.create_user(new_user).await?;
    Ok(())
}

async fn create_in(auth: &Auth, transaction: &Transaction<'_>, username: &str) -> Result<()> {
    auth.create_user(NewUser::without_key().attributes(&Profile { username }))
        .transaction(transaction)
        .await?;
    Ok(())
}

async fn sign_up(auth_request: &AuthRequest, username: &str) -> Result<()> {
    let new_user = NewUser::with_password(("username", "ada"), "correct horse battery");
    auth_request
        .sign_up(new_user.attributes(&Profile { username }))
        .remember(false)
        .await?;
    Ok(())
}

fn main() {}
