use lucia::authenticated;

#[authenticated]
pub struct Handler;

fn main() {
    let _ = Handler;
}
