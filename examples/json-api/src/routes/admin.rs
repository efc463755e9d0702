//! What administrators see.

use actix_web::{HttpResponse, get, web};
use lucia::{Auth, User, authenticated};

use super::PROVIDER;
use crate::user::{Profile, is_admin};

#[get("/admin/users/{username}")]
#[authenticated(bearer, permit = is_admin)]
pub async fn user(
    auth: web::Data<Auth>,
    username: web::Path<String>,
) -> lucia::Result<HttpResponse> {
    let Some(key) = auth.key((PROVIDER, &*username)).await? else {
        return Ok(HttpResponse::NotFound().finish());
    };
    let user: Option<User<Profile>> = auth.user(&key.user_id).await?;
    Ok(HttpResponse::Ok().json(user))
}
