use lucia::Session;
use lucia::axum::authenticated;

struct Profile;

#[authenticated]
#[axum::debug_handler]
async fn handler(_session: Session, profile: std::sync::Arc<Profile>, _body: String) -> String {
    let Profile = *profile;
    String::new()
}

fn main() {}
