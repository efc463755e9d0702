use lucia::AuthBuilder;

fn settings(auth: AuthBuilder) -> AuthBuilder {
    auth.allowed_origin(["https://app.example.com"])
}

fn main() {}
