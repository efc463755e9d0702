use lucia::authenticated;

trait Handlers {
    #[authenticated]
    async fn handler() -> &'static str;
}

fn main() {}
