#[lucia::authenticated(redirect = "/login")]
mod handlers {}

fn main() {}
