//! Memory: huge pages that are built behind our back, and nodes, also those of devices.

use crate::cpu_list;
use crate::host::{Host, allowed_cpus};
use crate::item::Seen;

const NODES: &str = "sys/devices/system/node";

/// Transparent huge pages only where a program asks for them.
pub fn huge_pages(host: &dyn Host) -> Seen {
    const FILE: &str = "sys/kernel/mm/transparent_hugepage/enabled";
    let Some(text) = host.read(FILE) else {
        return Seen::Absent("this kernel is built without them");
    };
    let chosen = chosen(&text);
    let is_good = chosen == "madvise" || chosen == "never";
    Seen::judge(is_good, chosen, "madvise or never", format!("echo madvise > /{FILE}"))
}

/// All CPUs of ours on one node.
pub fn nodes(host: &dyn Host) -> Seen {
    let ours = allowed_cpus(host);
    let all = all_nodes(host);
    if all.is_empty() {
        return Seen::Absent("no nodes to read");
    }
    let used: Vec<usize> = all
        .into_iter()
        .filter(|&node| !cpu_list::common(&cpus_of_node(host, node), &ours).is_empty())
        .collect();
    let fix = "start on one node: numactl --cpunodebind=N --membind=N, or --cores";
    Seen::judge(used.len() <= 1, format!("nodes {}", cpu_list::show(&used)), "one node", fix)
}

/// The kernel does not move pages between nodes.
pub fn balancing(host: &dyn Host) -> Seen {
    let switch = host.read("proc/sys/kernel/numa_balancing");
    match switch.filter(|_| all_nodes(host).len() > 1) {
        None => Seen::Absent("one node"),
        Some(switch) => {
            Seen::judge(switch == "0", switch, "0", "sysctl -w kernel.numa_balancing=0")
        }
    }
}

/// The nodes of this host.
pub fn all_nodes(host: &dyn Host) -> Vec<usize> {
    host.read(&format!("{NODES}/online")).map(|list| cpu_list::parse(&list)).unwrap_or_default()
}

/// A node's CPUs.
pub fn cpus_of_node(host: &dyn Host, node: usize) -> Vec<usize> {
    let list = host.read(&format!("{NODES}/node{node}/cpulist"));
    list.map(|list| cpu_list::parse(&list)).unwrap_or_default()
}

/// Whether the server's CPUs are on the node of every device: its name, and the folders in which
/// its `numa_node` may stand. A node of -1 is "none".
pub fn judge_nodes(
    host: &dyn Host,
    devices: Vec<(String, Vec<String>)>,
    none: &'static str,
) -> Seen {
    if all_nodes(host).len() < 2 {
        return Seen::Absent("one node");
    }
    let node = |folders: Vec<String>| {
        let texts = folders.iter().filter_map(|folder| host.read(&format!("{folder}/numa_node")));
        texts.map(|text| text.parse::<usize>()).next()?.ok()
    };
    let devices = devices.into_iter();
    let nodes: Vec<(String, usize)> =
        devices.filter_map(|(name, folders)| Some((name, node(folders)?))).collect();
    if nodes.is_empty() {
        return Seen::Absent(none);
    }
    let ours = allowed_cpus(host);
    let is_far = |node: usize| {
        let near = cpus_of_node(host, node);
        ours.iter().any(|cpu| !near.contains(cpu))
    };
    let far = nodes.iter().any(|&(_, node)| is_far(node));
    let found: Vec<String> = nodes.iter().map(|(name, node)| format!("{name}: {node}")).collect();
    let fix = "choose cores of that node: --cores, or cores = \"numa-of:<device>\" in a profile";
    Seen::judge(!far, found.join("; "), "the node of the server's cores", fix)
}

/// The word in brackets, `always [madvise] never`, or all of it where there are none.
pub fn chosen(text: &str) -> &str {
    let bracketed = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    bracketed.map_or(text, |(word, _)| word)
}
