//! Disks: what a flush costs, who sorts the writes, and how far they are. Only real ones are looked
//! at, not the layers above them.

use crate::host::Host;
use crate::item::Seen;
use crate::memory::{chosen, judge_nodes};

/// Names with which no real disk begins.
const LAYERS: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];

/// Writes that can be made durable without flushing all of the disk's cache.
pub fn cache(host: &dyn Host) -> Seen {
    let found = seen(host, |disk| {
        let mode = host.read(&format!("{disk}/write_cache"))?;
        let can_force = host.read(&format!("{disk}/fua")).as_deref() == Some("1");
        Some(match mode.as_str() {
            "write through" => (true, mode),
            _ if can_force => (true, format!("{mode}, FUA")),
            _ => (false, format!("{mode}, no FUA")),
        })
    });
    let fix = "a disk with power-loss protection (it reports write through); do not switch \
               flushes off on one without";
    judge(found, "write through, or FUA", fix)
}

/// No scheduler, or the plain one.
pub fn scheduler(host: &dyn Host) -> Seen {
    let found = seen(host, |disk| {
        let text = host.read(&format!("{disk}/scheduler"))?;
        let name = chosen(&text).to_owned();
        Some((name == "none" || name == "mq-deadline", name))
    });
    judge(found, "none or mq-deadline", "echo none > /sys/block/<disk>/queue/scheduler")
}

/// The server's CPUs are on the disks' node.
pub fn node(host: &dyn Host) -> Seen {
    // A disk hangs on its controller, and that on the bus: the node stands some levels up.
    let levels = ["device", "device/device", "device/..", "device/../..", "device/../../.."];
    let places = real(host).map(|disk| {
        let level = |level: &&str| format!("sys/block/{disk}/{level}");
        let levels = levels.iter().map(level).collect();
        (disk, levels)
    });
    judge_nodes(host, places.collect(), "no disk with a node")
}

/// Names of the disks that are no layers.
fn real(host: &dyn Host) -> impl Iterator<Item = String> {
    let disks = host.list("sys/block").into_iter();
    disks.filter(|name| !LAYERS.iter().any(|layer| name.starts_with(layer)))
}

/// What there is to see of each disk, and whether it is good.
fn seen(
    host: &dyn Host,
    look: impl Fn(&str) -> Option<(bool, String)>,
) -> Vec<(String, (bool, String))> {
    real(host)
        .filter_map(|name| {
            let seen = look(&format!("sys/block/{name}/queue"))?;
            Some((name, seen))
        })
        .collect()
}

fn judge(found: Vec<(String, (bool, String))>, wanted: &str, fix: &str) -> Seen {
    if found.is_empty() {
        return Seen::Absent("no disks to see");
    }
    let is_good = found.iter().all(|(_, (is_good, _))| *is_good);
    let text: Vec<String> =
        found.into_iter().map(|(disk, (_, what))| format!("{disk}: {what}")).collect();
    Seen::judge(is_good, text.join("; "), wanted, fix)
}
