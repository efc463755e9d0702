//! Signing out other devices.

use actix_web::{HttpResponse, post, web};
use lucia::{Session, SessionId, authenticated};

use crate::pages::see_other;

#[post("/security/sessions/{id}/end")]
#[authenticated(redirect = "/login")]
pub async fn end(present: Session, id: web::Path<SessionId>) -> lucia::Result<HttpResponse> {
    // The id came with the request: `invalidate_session` would end the session of any user. One that has ended
    // already is as good as ended.
    let auth = auth_request.auth();
    auth.invalidate_user_session(&present.user_id, &id).await?;
    if *id == present.id {
        auth_request.set_session(None);
        return Ok(see_other("/?notice=signed-out"));
    }
    Ok(see_other("/security?notice=signed-out-one"))
}

#[post("/security/sessions/end-others")]
#[authenticated(redirect = "/login")]
pub async fn end_others() -> lucia::Result<HttpResponse> {
    auth_request.sign_out_others().await?;
    Ok(see_other("/security?notice=signed-out-others"))
}
