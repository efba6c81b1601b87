//! Network cards: where their interrupts and packets are worked on.

use crate::cpu::isolated_cpus;
use crate::cpu_list;
use crate::host::Host;
use crate::item::Seen;
use crate::memory::judge_nodes;

const NICS: &str = "sys/class/net";

/// Connects that may wait to be accepted.
const BACKLOG_MIN: u64 = 4096;

/// No interrupt of a card on an isolated CPU.
pub fn irqs(host: &dyn Host) -> Seen {
    let isolated = isolated_cpus(host);
    let irqs: Vec<String> = nics(host).iter().flat_map(|nic| irqs_of(host, nic)).collect();
    if irqs.is_empty() {
        return Seen::Absent("no network card with interrupts of its own");
    }
    if isolated.is_empty() {
        return Seen::Absent("no CPU is set apart");
    }
    let mut cpus: Vec<usize> = irqs
        .iter()
        .filter_map(|irq| host.read(&format!("proc/irq/{irq}/smp_affinity_list")))
        .flat_map(|list| cpu_list::parse(&list))
        .collect();
    cpus.sort_unstable();
    cpus.dedup();
    Seen::judge(
        cpu_list::common(&cpus, &isolated).is_empty(),
        format!("CPUs {}", cpu_list::show(&cpus)),
        format!("none of {}", cpu_list::show(&isolated)),
        format!("scripts/tune-host --apply --cores {}", cpu_list::show(&isolated)),
    )
}

/// Packets stay on the CPU that the card chose.
pub fn rps(host: &dyn Host) -> Seen {
    let masks = queue_files(host, "rx-", "rps_cpus");
    if masks.is_empty() {
        return Seen::Absent("no network card");
    }
    let mut cpus: Vec<usize> = masks.iter().flat_map(|mask| cpu_list::parse_mask(mask)).collect();
    cpus.sort_unstable();
    cpus.dedup();
    let fix = "scripts/tune-host --apply --cores <cores>";
    let found = if cpus.is_empty() { "off".to_owned() } else { cpu_list::show(&cpus) };
    Seen::judge(cpus.is_empty(), found, "off", fix)
}

/// Each send queue has its own CPUs, where there is more than one queue.
pub fn xps(host: &dyn Host) -> Seen {
    // A card with one queue has the file, but it cannot be read.
    let masks = queue_files(host, "tx-", "xps_cpus");
    if masks.len() < 2 {
        return Seen::Absent("one send queue");
    }
    let set = masks.iter().filter(|mask| !cpu_list::parse_mask(mask).is_empty()).count();
    let found = format!("set on {set} of {} queues", masks.len());
    let fix = "scripts/tune-host --apply --cores <cores>";
    Seen::judge(set == masks.len(), found, "set on all queues", fix)
}

/// Nobody moves interrupts about.
pub fn irqbalance(host: &dyn Host) -> Seen {
    let runs = host
        .list("proc")
        .iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .any(|pid| host.read(&format!("proc/{pid}/comm")).as_deref() == Some("irqbalance"));
    let fix = "systemctl stop irqbalance, or IRQBALANCE_BANNED_CPULIST=<cores>";
    Seen::judge(!runs, if runs { "running" } else { "not running" }, "not running", fix)
}

/// The server's CPUs are on the cards' node.
pub fn node(host: &dyn Host) -> Seen {
    // Behind a virtual bus the node stands one level up.
    let places = nics(host).into_iter().map(|nic| {
        let device = format!("{NICS}/{nic}/device");
        (nic, [device.clone(), format!("{device}/..")].to_vec())
    });
    judge_nodes(host, places.collect(), "no network card with a node")
}

/// Bursts of connects find room.
pub fn backlog(host: &dyn Host) -> Seen {
    let Some(text) = host.read("proc/sys/net/core/somaxconn") else {
        return Seen::Absent("no such setting");
    };
    let is_good = text.parse().is_ok_and(|connects: u64| connects >= BACKLOG_MIN);
    let fix = "sysctl -w net.core.somaxconn=4096";
    Seen::judge(is_good, text, format!("{BACKLOG_MIN} and more"), fix)
}

/// Cards: interfaces with a device behind them.
fn nics(host: &dyn Host) -> Vec<String> {
    let names = host.list(NICS).into_iter();
    names.filter(|name| host.exists(&format!("{NICS}/{name}/device"))).collect()
}

/// The numbers of a card's interrupts; behind a virtual bus they stand one level up.
fn irqs_of(host: &dyn Host, nic: &str) -> Vec<String> {
    let own = host.list(&format!("{NICS}/{nic}/device/msi_irqs"));
    if own.is_empty() { host.list(&format!("{NICS}/{nic}/device/../msi_irqs")) } else { own }
}

/// A file of each queue of each card.
fn queue_files(host: &dyn Host, queue: &str, file: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for nic in nics(host) {
        let queues = format!("{NICS}/{nic}/queues");
        for name in host.list(&queues).iter().filter(|name| name.starts_with(queue)) {
            texts.extend(host.read(&format!("{queues}/{name}/{file}")));
        }
    }
    texts
}
