// As many as actix-web extracts at once; `auth_request` is not one of them.

use actix_web::web::{self, Data};
use lucia::{Session, authenticated};

struct N<const I: u8>(u8);

#[authenticated]
async fn sixteen(
    a: Data<N<0>>,
    b: Data<N<1>>,
    c: Data<N<2>>,
    d: Data<N<3>>,
    e: Data<N<4>>,
    f: Data<N<5>>,
    g: Data<N<6>>,
    h: Data<N<7>>,
    i: Data<N<8>>,
    j: Data<N<9>>,
    k: Data<N<10>>,
    l: Data<N<11>>,
    m: Data<N<12>>,
    n: Data<N<13>>,
    session: Session,
    body: web::Bytes,
) -> String {
    auth_request.set_session(Some(&session));
    let sum = [
        a.0, b.0, c.0, d.0, e.0, f.0, g.0, h.0, i.0, j.0, k.0, l.0, m.0, n.0,
    ];
    format!("{sum:?} {}", body.len())
}

#[authenticated]
async fn more_as_a_tuple((a, b): (Data<N<0>>, Data<N<1>>), body: web::Bytes) -> String {
    format!("{} {} {}", a.0, b.0, body.len())
}

fn main() {
    let _ = web::post().to(sixteen);
    let _ = web::post().to(more_as_a_tuple);
}
