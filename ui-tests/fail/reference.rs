use lucia::authenticated;

#[authenticated]
async fn handler(name: &str) -> String {
    name.to_owned()
}

fn main() {}
