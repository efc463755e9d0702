//! "Your sessions": where somebody is signed in, and how to end that.

use std::cmp::Reverse;

use actix_web::{HttpResponse, get, post, web};
use lucia::{Auth, Session, SessionId, User, authenticated};

use crate::pages::{SessionView, Sessions, html, see_other};
use crate::user::Profile;

#[get("/sessions")]
#[authenticated(redirect = "/login")]
pub async fn list(
    auth: web::Data<Auth>,
    user: User<Profile>,
    present: Session,
) -> lucia::Result<HttpResponse> {
    let mut sessions = auth.user_sessions(&user.id).await?;
    sessions.sort_by_key(|session| (session.id != present.id, Reverse(session.renewed_at)));
    html(&Sessions {
        username: &user.username,
        sessions: sessions
            .iter()
            .map(|session| SessionView::new(session, &present))
            .collect(),
    })
}

#[post("/sessions/{id}/revoke")]
#[authenticated(redirect = "/login")]
pub async fn revoke(
    auth: web::Data<Auth>,
    present: Session,
    id: web::Path<SessionId>,
) -> lucia::Result<HttpResponse> {
    // The id came with the request: `invalidate_session` would end anybody's session. One that is
    // gone already is as good as revoked.
    auth.invalidate_user_session(&present.user_id, &id).await?;
    if *id == present.id {
        auth_request.set_session(None);
        return Ok(see_other("/"));
    }
    Ok(see_other("/sessions"))
}

#[post("/sessions/revoke-others")]
#[authenticated(redirect = "/login")]
pub async fn revoke_others(auth: web::Data<Auth>, present: Session) -> lucia::Result<HttpResponse> {
    auth.invalidate_other_sessions(&present).await?;
    Ok(see_other("/sessions"))
}
