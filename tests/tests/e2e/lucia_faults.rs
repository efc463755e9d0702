//! The faults of Lucia for Node, 1.7 to 2.7, none of which is to come back here: a test for each,
//! after its number. What else there is to say of these things is tested elsewhere.

mod data;
mod origins;
mod others;
mod passwords;
mod sessions;

use std::time::Duration;

use lucia::Session;

use crate::support::{Site, Stage, actix, sign_up};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A site in production, and Ada who is signed in there.
async fn ada(stage: &Stage) -> (Site, Session) {
    let site = actix::serve(stage.auth().await, actix::front_page()).await;
    let session = sign_up(&site.auth, "ada").await;
    stage.probe.calls();
    (site, session)
}
