use lucia::authenticated;

struct Handlers;

impl Handlers {
    #[authenticated]
    async fn handler() -> Self {
        Self
    }

    #[authenticated(redirect = "login")]
    async fn mistaken() -> String {
        Self::name()
    }

    fn name() -> String {
        String::new()
    }
}

fn main() {}
