//! A server for the tests: whatever they put into it.

use base::snapshot::ConnectionSnapshot;
use base::{ClientId, ShardId};

/// A connection of client `cid` that did nothing.
pub fn connection(cid: u64) -> ConnectionSnapshot {
    ConnectionSnapshot {
        cid: ClientId(cid),
        shard: ShardId(0),
        peer: "127.0.0.1:5000".parse().unwrap(),
        start_ns: 0,
        last_activity_ns: 0,
        rtt_ns: None,
        pending_bytes: 0,
        in_msgs: 0,
        in_bytes: 0,
        out_msgs: 0,
        out_bytes: 0,
        stalls: 0,
        subscriptions: 0,
        name: String::new(),
        lang: String::new(),
        version: String::new(),
        authorized_user: String::new(),
        account: "$G".into(),
        subscriptions_list: Vec::new(),
    }
}
