//! The orders in which `/connz` can list connections.

use super::Row;
use crate::params::BadRequest;

/// By what connections are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Cid,
    Start,
    Subs,
    Pending,
    MsgsTo,
    MsgsFrom,
    BytesTo,
    BytesFrom,
    Last,
    Idle,
    Uptime,
    Stop,
    Reason,
    Rtt,
}

impl Sort {
    // spec/monitoring.md §2, sort keys for connz.
    pub(super) fn named(name: &str) -> Result<Sort, BadRequest> {
        Ok(match name {
            "" | "cid" => Sort::Cid,
            "start" => Sort::Start,
            "subs" => Sort::Subs,
            "pending" => Sort::Pending,
            "msgs_to" => Sort::MsgsTo,
            "msgs_from" => Sort::MsgsFrom,
            "bytes_to" => Sort::BytesTo,
            "bytes_from" => Sort::BytesFrom,
            "last" => Sort::Last,
            "idle" => Sort::Idle,
            "uptime" => Sort::Uptime,
            "stop" => Sort::Stop,
            "reason" => Sort::Reason,
            "rtt" => Sort::Rtt,
            _ => return Err(BadRequest::Sort(name.into())),
        })
    }

    /// Its name, when it makes sense for closed connections only.
    pub(super) fn closed_only(self) -> Option<&'static str> {
        match self {
            Sort::Stop => Some("stop"),
            Sort::Reason => Some("reason"),
            _ => None,
        }
    }
}

/// Sorts; connections that are equal stand by their ids.
pub(super) fn sort(rows: &mut [Row<'_>], by: Sort, now_ns: u64) {
    if by == Sort::Reason {
        let reason = |row: &Row<'_>| row.end.map_or("", |closed| closed.reason);
        rows.sort_unstable_by_key(|row| (reason(row), row.connection.cid));
        return;
    }
    rows.sort_unstable_by_key(|row| (rank(row, by, now_ns), row.connection.cid));
}

/// A number that is smaller the earlier `row` stands.
fn rank(row: &Row<'_>, by: Sort, now_ns: u64) -> u64 {
    let connection = row.connection;
    let until_ns = row.until_ns(now_ns);
    // spec/monitoring.md §2: all but cid, start, uptime, reason are descending; a descending
    // order is the ascending order of the complement.
    match by {
        Sort::Cid | Sort::Reason => connection.cid.0,
        Sort::Start => connection.start_ns,
        Sort::Uptime => until_ns.saturating_sub(connection.start_ns),
        Sort::Subs => !connection.subscriptions,
        Sort::Pending => !connection.pending_bytes,
        Sort::MsgsTo => !connection.out_msgs,
        Sort::MsgsFrom => !connection.in_msgs,
        Sort::BytesTo => !connection.out_bytes,
        Sort::BytesFrom => !connection.in_bytes,
        Sort::Last => !connection.last_activity_ns,
        Sort::Idle => !until_ns.saturating_sub(connection.last_activity_ns),
        Sort::Stop => !row.end.map_or(0, |closed| closed.stop_ns),
        Sort::Rtt => !connection.rtt_ns.unwrap_or(0),
    }
}
