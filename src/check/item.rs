//! An item of the check: its name, why it matters, how much, and how to look; and the list of
//! all. Each is declared once; the table, the JSON and `tuning/host.md` follow from it.

use crate::host::Host;
use crate::profile::Weight::{Need, None as No, Wish};
use crate::profile::Weights;
use crate::{cpu, disk, kernel, memory, network, process};

/// One thing to look at.
pub struct Item {
    /// Its name in the table.
    pub name: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// How much.
    pub weights: Weights,
    /// Looks at it.
    pub look: fn(&dyn Host) -> Seen,
}

/// What was seen of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is as it should be.
    Good {
        /// What is there.
        found: String,
        /// What should be.
        wanted: String,
    },
    /// It is not.
    Bad {
        /// What is there.
        found: String,
        /// What should be.
        wanted: String,
        /// How to change it.
        fix: String,
    },
    /// This host has no such thing; the text says what it has not.
    Absent(&'static str),
}

impl Seen {
    /// [`Seen::Good`] or [`Seen::Bad`] by a verdict.
    pub fn judge(
        is_good: bool,
        found: impl Into<String>,
        wanted: impl Into<String>,
        fix: impl Into<String>,
    ) -> Seen {
        let (found, wanted, fix) = (found.into(), wanted.into(), fix.into());
        if is_good { Seen::Good { found, wanted } } else { Seen::Bad { found, wanted, fix } }
    }
}

const NEEDED: Weights = Weights::all(Need);
const WISHED: Weights = Weights::all(Wish);
/// Matters to those who count microseconds.
const FOR_LATENCY: Weights =
    Weights { default: No, latency: Wish, throughput: No, shared_host: No };
/// Matters wherever the host is Corewire's own.
const UNLESS_SHARED: Weights =
    Weights { default: Wish, latency: Wish, throughput: Wish, shared_host: No };
const FOR_SPEED: Weights =
    Weights { default: No, latency: Wish, throughput: Wish, shared_host: No };

const fn item(
    name: &'static str,
    weights: Weights,
    why: &'static str,
    look: fn(&dyn Host) -> Seen,
) -> Item {
    Item { name, why, weights, look }
}

/// All items, in the order of the table.
pub const ITEMS: &[Item] = &[
    item(
        "kernel",
        NEEDED,
        "multishot receive and deferred completions are whole from 6.1 on",
        kernel::version,
    ),
    item("io_uring", NEEDED, "all sockets and files go through it", kernel::ring),
    item(
        "io_uring_disabled",
        WISHED,
        "a value above 0 shuts out users without privileges",
        kernel::ring_switch,
    ),
    item("clocksource", WISHED, "a clock outside user space costs a system call", kernel::clock),
    item("memlock", NEEDED, "each core locks memory for its ring", process::locked_memory),
    item("nofile", NEEDED, "each connection is a descriptor", process::open_files),
    item(
        "nofile for 64k clients",
        UNLESS_SHARED,
        "the default max_connections is 65536",
        process::open_files_for_all,
    ),
    item("cpu.max", WISHED, "a quota stops all cores for milliseconds", process::cpu_quota),
    item("memory.max", WISHED, "at the limit the kernel kills the server", process::memory_limit),
    item("seccomp", WISHED, "container filters often forbid io_uring", process::seccomp),
    item(
        "governor",
        Weights { default: Wish, latency: Need, throughput: Wish, shared_host: No },
        "a core that was slowed down takes milliseconds to speed up",
        cpu::governor,
    ),
    item(
        "C-states",
        Weights { default: Wish, latency: Wish, throughput: No, shared_host: No },
        "leaving a deep idle state takes up to 100 us and more",
        cpu::idle_states,
    ),
    item("SMT", FOR_LATENCY, "two threads of one core share its units and caches", cpu::siblings),
    item("isolcpus", FOR_LATENCY, "the scheduler puts other work on cores", cpu::isolated),
    item("nohz_full", FOR_LATENCY, "the timer tick interrupts a busy core", cpu::tickless),
    item("rcu_nocbs", FOR_LATENCY, "the kernel's clean-up work runs on cores", cpu::callbacks),
    item("NIC IRQs", FOR_LATENCY, "an interrupt takes an isolated core away", network::irqs),
    item("RPS", FOR_LATENCY, "handing packets to another CPU costs an interrupt", network::rps),
    item("XPS", FOR_SPEED, "CPUs that share a send queue wait for each other", network::xps),
    item("irqbalance", FOR_LATENCY, "it moves interrupts back on cores", network::irqbalance),
    item("NIC node", FOR_SPEED, "packets cross the link between nodes", network::node),
    item("somaxconn", WISHED, "a burst of connects overflows the listen queue", network::backlog),
    item("THP", UNLESS_SHARED, "building huge pages stops threads", memory::huge_pages),
    item("NUMA", FOR_SPEED, "memory of another node is slower", memory::nodes),
    item("NUMA balancing", FOR_SPEED, "it unmaps pages to see who uses them", memory::balancing),
    item("disk node", FOR_SPEED, "what streams write crosses the link between nodes", disk::node),
    item("disk write cache", UNLESS_SHARED, "every acknowledged write waits for it", disk::cache),
    item("disk scheduler", UNLESS_SHARED, "sorting helps no flash disk", disk::scheduler),
];
