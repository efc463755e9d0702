//! All futures can be sent between threads, as axum and `tokio::spawn` ask: this compiles.

#![allow(dead_code, let_underscore_drop)]

use lucia::{
    Auth, AuthRequest, CodePurpose, Guard, NewKey, NewUser, Password, Session, SessionId,
    SessionInfo, SessionToken, SignsIn, Sweeper, TokenPurpose, UserId, VerifiedKey,
};
use serde::Deserialize;

/// What is read and written is not asked to be more than that.
#[derive(Deserialize)]
struct Profile {
    username: String,
}

fn send<T: Send>(_: T) {}

fn users(auth: &Auth, id: &UserId) {
    send(auth.create_user(NewUser::without_key().returning::<Profile>()));
    send(auth.user::<Profile>(id));
    send(auth.update_user_attributes::<Profile>(id, "a"));
    send(auth.delete_user(id));
    send(auth.check_schema::<Profile>());
}

fn keys(auth: &Auth, id: &UserId, session: &Session, key: &VerifiedKey) {
    send(auth.verify_password(("a", "b"), "c").into_future());
    send(auth.create_key(id, NewKey::without_password(("a", "b"))));
    send(auth.key(("a", "b")));
    send(auth.user_keys(id));
    send(auth.update_key_password(("a", "b"), "c"));
    send(auth.change_password(session, key, "c"));
    send(auth.reauthenticate(session, key));
    send(auth.remove_key_password(("a", "b")));
    send(auth.trusted_key(("a", "b")));
    send(auth.reset_password(("a", "b"), "c"));
    send(auth.delete_key(("a", "b")).into_future());
    send(auth.delete_key(("a", "b")).even_if_last().into_future());
}

fn sign_ins(request: &AuthRequest, key: &VerifiedKey, name: String) {
    send(
        request
            .sign_in(Password::new(("a", &name), "c"))
            .into_future(),
    );
    send(request.sign_in(key).device("d").into_future());
    send(request.sign_in(key.clone()).into_future());
    let new_user = NewUser::without_key().returning::<Profile>();
    send(request.sign_up(new_user).into_future());
    send(request.change_password(Password::new(("a", &name), "c"), "d"));
    send(request.reauthenticate(Password::new(("a", &name), "c")));
    send(request.reauthenticate(key));
    send(request.sign_out());
    send(request.sign_out_everywhere());
    send(request.sign_out_others());
}

#[cfg(feature = "oauth")]
fn oauth(auth: &Auth, request: &AuthRequest, provider: &lucia::oauth::OAuthProvider) {
    send(request.begin_oauth(provider).into_future());
    send(request.link_oauth(provider).into_future());
    send(request.finish_oauth(provider, "a"));
    send(request.unlink_oauth(provider, "a"));
    send(auth.refresh_oauth_tokens(provider, "a"));
}

fn tokens(auth: &Auth, request: &AuthRequest, user_id: &UserId) {
    const LINK: TokenPurpose<String> = TokenPurpose::new("link");
    const CODE: CodePurpose<String> = CodePurpose::new("code");

    send(auth.create_token(LINK, "a").user(user_id).into_future());
    send(auth.check_token(LINK, "a"));
    send(auth.use_token(LINK, "a"));
    send(auth.create_code(CODE, user_id, "a").into_future());
    send(auth.use_code(CODE, user_id, "a"));
    send(auth.invalidate_user_tokens(user_id));
    send(request.create_password_reset(("a", "b")));
    send(request.create_sign_in_link(("a", "b")));
    send(request.create_sign_in_code(("a", "b")));
    send(request.create_email_verification(("a", "b")));
    send(request.create_email_change(("a", "b"), ("a", "c")));
    send(auth.check_password_reset("a"));
    send(request.reset_password("a", "b"));
    send(request.create_key(NewKey::without_password(("a", "b"))));
    send(request.set_password(("a", "b"), "c"));
    send(request.change_email("a"));
    send(request.undo_email_change("a"));
}

fn sessions(
    auth: &Auth,
    user_id: &UserId,
    id: &SessionId,
    session: &Session,
    token: &SessionToken,
    key: &VerifiedKey,
) {
    async fn sign_in(auth: &Auth, who: &impl SignsIn) -> lucia::Result<Session> {
        auth.delete_expired_sessions().await?;
        auth.create_session(who).await
    }

    let info: &SessionInfo = session;
    send(auth.create_session(user_id).into_future());
    send(auth.create_session(key).into_future());
    send(sign_in(auth, key));
    send(sign_in(auth, user_id));
    send(
        auth.create_session(user_id)
            .replace(Some(info))
            .into_future(),
    );
    send(auth.validate_session(token));
    send(auth.session(id));
    send(auth.user_sessions(user_id));
    send(auth.invalidate_session(id));
    send(auth.invalidate_user_session(user_id, id));
    send(auth.invalidate_user_sessions(user_id));
    send(auth.invalidate_other_sessions(info));
    send(auth.update_session_attributes(id, "a"));
    send(auth.rotate_session(session));
    send(auth.delete_expired_sessions());
    send(auth.health());
}

fn requests(request: &AuthRequest) {
    send(request.validate());
    send(request.validate_user::<Profile>());
    send(request.validate_bearer_token());
    send(request.validate_bearer_token_user::<Profile>());
    send(request.require());
    send(request.require_user::<Profile>());
}

fn guards(guard: &Guard, request: &AuthRequest) {
    send(guard.check(request));
}

fn sweepers(sweeper: Sweeper) {
    send(sweeper.stop());
}

#[test]
fn what_an_application_shares_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Auth>();
    shared::<AuthRequest>();
    shared::<Guard>();
    shared::<lucia::Error>();
    shared::<lucia::adapter::RequestSlot>();
}
