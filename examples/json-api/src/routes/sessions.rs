//! "Your sessions": where somebody is signed in, and how to end that.

use actix_web::{HttpResponse, Responder, delete, get, web};
use lucia::{Auth, Error, Session, SessionId, SessionInfo, authenticated};
use serde::Serialize;

/// A session in the list. It holds no token.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    session: SessionInfo,
    /// Whether it is the one that asks.
    is_current: bool,
}

#[get("/sessions")]
#[authenticated(bearer)]
pub async fn list(auth: web::Data<Auth>, current: Session) -> lucia::Result<impl Responder> {
    let sessions = auth.user_sessions(&current.user_id).await?;
    let listed = sessions.into_iter().map(|session| Listed {
        is_current: session.id == current.id,
        session,
    });
    Ok(web::Json(listed.collect::<Vec<_>>()))
}

#[delete("/sessions/{id}")]
#[authenticated(bearer)]
pub async fn end(
    auth: web::Data<Auth>,
    current: Session,
    id: web::Path<SessionId>,
) -> lucia::Result<impl Responder> {
    // The id came with the request: `invalidate_session` would end anybody's session.
    let ended = auth.invalidate_user_session(&current.user_id, &id).await?;
    Ok(if ended {
        HttpResponse::NoContent()
    } else {
        HttpResponse::NotFound()
    })
}

/// Logs out everywhere else.
#[delete("/sessions")]
#[authenticated(bearer)]
pub async fn end_others(auth: web::Data<Auth>, current: Session) -> Result<impl Responder, Error> {
    auth.invalidate_other_sessions(&current).await?;
    Ok(HttpResponse::NoContent())
}
