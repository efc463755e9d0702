//! Sends requests of one kind, for a tool that counts instructions: `micro KIND COUNT`.

#![allow(clippy::print_stdout)] // What it was asked for.

use micro::KINDS;

#[actix_web::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let kind = args
        .next()
        .and_then(|kind| KINDS.get(kind.parse::<usize>().ok()?));
    let count = args.next().and_then(|count| count.parse().ok());
    let (Some(kind), Some(count)) = (kind, count) else {
        for (number, kind) in KINDS.iter().enumerate() {
            println!("{number}\t{}", kind.name);
        }
        return;
    };
    micro::send(*kind, count).await;
}
