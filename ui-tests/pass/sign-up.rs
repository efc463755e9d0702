use std::borrow::Cow;

use lucia::deadpool_postgres::Transaction;
use lucia::{Auth, AuthRequest, NewUser, NoAttributes, Result, User};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Profile {
    username: String,
}

#[derive(Serialize, Deserialize)]
struct Borrowed<'a> {
    username: &'a str,
}

#[derive(Serialize)]
struct Written<'a> {
    username: &'a str,
}

/// It has a lifetime, and what is read owns its values all the same.
#[derive(Serialize, Deserialize)]
struct Either<'a> {
    username: Cow<'a, str>,
}

async fn create(auth: &Auth, transaction: &Transaction<'_>, username: &str) -> Result<()> {
    let new_user = NewUser::without_key().attributes(&Borrowed { username });
    let user = auth.create_user(new_user.returning::<Profile>()).await?;
    let _: &String = &user.username;

    let new_user = NewUser::without_key().attributes(&Written { username });
    let _: User<Profile> = auth
        .create_user(new_user.returning())
        .transaction(transaction)
        .await?;

    let username = Cow::Borrowed(username);
    let new_user = NewUser::without_key().attributes(&Either { username });
    let _: Cow<'_, str> = auth.create_user(new_user).await?.attributes.username;
    Ok(())
}

async fn sign_up(auth_request: &AuthRequest, username: &str) -> Result<()> {
    let new_user = NewUser::without_key().attributes(&Borrowed { username });
    let _: (User<Profile>, _) = auth_request.sign_up(new_user.returning()).await?;

    let new_user = NewUser::without_key().attributes(&Written { username });
    auth_request
        .sign_up(new_user.returning::<NoAttributes>())
        .remember(false)
        .await?;

    let username = Cow::Borrowed(username);
    let new_user = NewUser::without_key().attributes(&Either { username });
    auth_request.sign_up(new_user).await?;
    Ok(())
}

async fn anything<A: DeserializeOwned + Send>(
    auth_request: &AuthRequest,
    new_user: NewUser<'_, A>,
) -> Result<User<A>> {
    Ok(auth_request.sign_up(new_user).await?.0)
}

fn main() {}
