use lucia::authenticated;

struct Handlers;

#[authenticated]
impl Handlers {
    async fn _handler() -> &'static str {
        "handler"
    }
}

fn main() {
    let _ = Handlers;
}
