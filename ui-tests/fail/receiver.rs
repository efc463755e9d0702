use lucia::authenticated;

struct Handlers;

impl Handlers {
    #[authenticated]
    async fn handler(&self) -> &'static str {
        "self"
    }
}

fn main() {}
