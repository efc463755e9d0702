use lucia::{Auth, AuthRequest, Password, Result, VerifiedKey};

struct Form {
    username: String,
    password: Option<String>,
}

async fn verify(auth: &Auth, form: &Form) -> Result<VerifiedKey> {
    auth.verify_password(("username", &form.username), form.password.as_deref()).await
}

async fn sign_in(auth_request: &AuthRequest, form: &Form) -> Result<()> {
    let proof = Password::new(("username", &form.username), form.password.as_deref());
    auth_request.sign_in(proof).await?;
    Ok(())
}

fn main() {}
