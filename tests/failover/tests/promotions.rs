//! A short campaign, and whether a campaign finds what it is to find.

use std::time::Duration;

use lucia_failover::{Bug, Campaign, HOWS};
use lucia_tests::{Failover, Replication, Stop, programs_are_installed, skip};

fn can_replicate(name: &str) -> bool {
    let can = programs_are_installed();
    if !can {
        skip(name, "no programs of Postgres to start two servers");
    }
    can
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_promotion_loses_nothing_acknowledged_and_signs_nobody_out() {
    if !can_replicate("r48_a_promotion_loses_nothing_acknowledged_and_signs_nobody_out") {
        return;
    }
    let campaign = Campaign::new(Replication::Synchronous, HOWS.to_vec());
    let report = campaign.run().await.unwrap();
    assert!(report.is_passed(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_campaign_finds_each_bug() {
    if !can_replicate("a_campaign_finds_each_bug") {
        return;
    }
    for bug in Bug::ALL {
        let how = match bug {
            // A primary that lives on answers lookups, so there is no error.
            Bug::TakesErrorsForSignedOut => Failover::Stopped(Stop::Kill),
            _ => Failover::ReadOnly,
        };
        let mut campaign = Campaign::new(Replication::Synchronous, vec![how]);
        campaign.bug = Some(bug);
        campaign.patience = Duration::from_secs(5);
        campaign.timeout = Duration::from_secs(1);
        let report = campaign.run().await.unwrap();
        assert!(report.failures(bug.found_by()) > 0, "{bug:?}: {report}");
    }
}
