//! Who is signed in.

use actix_web::{HttpResponse, Responder, delete, get, patch, web};
use lucia::{Auth, User, authenticated};
use serde::{Deserialize, Serialize};

use crate::user::Profile;

/// The columns that users may change themselves. `is_admin` is not among them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    display_name: Option<String>,
}

#[get("/me")]
#[authenticated(bearer)]
pub async fn show(user: User<Profile>) -> impl Responder {
    web::Json(user)
}

#[patch("/me")]
#[authenticated(bearer)]
pub async fn edit(
    auth: web::Data<Auth>,
    user: User<Profile>,
    body: web::Json<Edit>,
) -> lucia::Result<impl Responder> {
    let user: User<Profile> = auth.update_user_attributes(&user.id, &*body).await?;
    Ok(web::Json(user))
}

/// Deletes the account with its keys and sessions. A token that was left on some device is not
/// enough for that: the password was typed within the last 10 minutes.
#[delete("/me")]
#[authenticated(bearer, recent = "10m")]
pub async fn delete(auth: web::Data<Auth>, user: User) -> lucia::Result<impl Responder> {
    auth.delete_user(&user.id).await?;
    Ok(HttpResponse::NoContent())
}
