use lucia::authenticated;

#[authenticated]
async fn handler() -> String {
    Self::name()
}

fn main() {}
