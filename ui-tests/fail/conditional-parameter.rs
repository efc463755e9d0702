use lucia::authenticated;

#[authenticated]
async fn handler(#[cfg(debug_assertions)] name: String) -> String {
    name
}

fn main() {}
