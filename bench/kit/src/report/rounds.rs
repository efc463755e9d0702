//! Every measurement, for those who calculate further.

use std::fmt::Write;

use anyhow::Result;

use crate::results::Results;

pub(super) fn csv(results: &Results) -> Result<String> {
    let mut text = String::from(
        "server,connections,sessions,round,requests,seconds,p50_us,p99_us,\
         server_cpu_us,postgres_cpu_us,redis_cpu_us,load_cpu_us,peak_memory_bytes\n",
    );
    for one in &results.measurements {
        writeln!(
            text,
            "{},{},{},{},{},{:.3},{},{},{},{},{},{},{}",
            one.case.server,
            one.case.connections,
            one.case.sessions,
            one.round,
            one.requests,
            one.elapsed.as_secs_f64(),
            one.p50.as_micros(),
            one.p99.as_micros(),
            one.usage.server.as_micros(),
            one.usage.postgres.as_micros(),
            one.usage.redis.as_micros(),
            one.usage.kit.as_micros(),
            one.peak_memory,
        )?;
    }
    Ok(text)
}
