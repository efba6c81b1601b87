//! Reports over hosts made of files: one where all is well, one where all is ill, one where there
//! is nothing, and the cases between that an item must tell apart.

use std::os::unix::fs::symlink;
use std::path::Path;

use harness::Folder;

use super::*;
use crate::host::Rooted;

const LIMITS_GOOD: &str = "Limit                Soft Limit      Hard Limit      Units\n\
    Max open files            1048576              1048576              files\n\
    Max locked memory         unlimited            unlimited            bytes\n";
const LIMITS_BAD: &str = "Limit                Soft Limit      Hard Limit      Units\n\
    Max open files            1024                 524288               files\n\
    Max locked memory         65536                65536                bytes\n";

/// Path, good content, bad content.
const FILES: &[(&str, &str, &str)] = &[
    ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n", "5.15.0-91-generic\n"),
    ("proc/sys/kernel/io_uring_disabled", "0\n", "2\n"),
    ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n", "hpet\n"),
    ("proc/self/limits", LIMITS_GOOD, LIMITS_BAD),
    (
        "proc/self/status",
        "Cpus_allowed:\tc\nCpus_allowed_list:\t2-3\nSeccomp:\t0\nSeccomp_filters:\t0\n",
        "Cpus_allowed:\tf\nCpus_allowed_list:\t0-3\nSeccomp:\t2\nSeccomp_filters:\t1\n",
    ),
    ("proc/self/cgroup", "0::/a/b\n", "0::/a/b\n"),
    ("sys/fs/cgroup/cgroup.controllers", "cpu memory\n", "cpu memory\n"),
    ("sys/fs/cgroup/a/cpu.max", "max 100000\n", "150000 100000\n"),
    ("sys/fs/cgroup/a/b/cpu.max", "200000 100000\n", "max 100000\n"),
    ("sys/fs/cgroup/a/memory.max", "max\n", "268435456\n"),
    ("sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "performance\n", "powersave\n"),
    ("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "performance\n", "performance\n"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state0/name", "C1\n", "C1\n"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state0/latency", "2\n", "2\n"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/name", "C6\n", "C6\n"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/latency", "133\n", "133\n"),
    ("sys/devices/system/cpu/cpu2/cpuidle/state1/disable", "1\n", "0\n"),
    ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2\n", "2-3\n"),
    ("sys/devices/system/cpu/isolated", "2-3\n", "\n"),
    ("sys/devices/system/cpu/nohz_full", "2-3\n", "(null)\n"),
    ("proc/cmdline", "quiet isolcpus=2-3 nohz_full=2-3 rcu_nocbs=2-3\n", "quiet\n"),
    ("sys/class/net/lo/mtu", "65536\n", "65536\n"),
    ("sys/class/net/eth0/device/msi_irqs/40", "msix\n", "msix\n"),
    ("sys/class/net/eth0/device/numa_node", "0\n", "1\n"),
    ("sys/block/nvme0n1/device/device/numa_node", "0\n", "1\n"),
    ("proc/irq/40/smp_affinity_list", "0-1\n", "0-3\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000\n", "0000000f\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "5\n", "0\n"),
    ("sys/class/net/eth0/queues/tx-1/xps_cpus", "a\n", "0\n"),
    ("proc/77/comm", "bash\n", "irqbalance\n"),
    ("proc/sys/net/core/somaxconn", "4096\n", "128\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n", "[always] never\n"),
    ("sys/devices/system/node/online", "0-1\n", "0-1\n"),
    ("sys/devices/system/node/node0/cpulist", "0-3\n", "0-1\n"),
    ("sys/devices/system/node/node1/cpulist", "4-7\n", "2-3\n"),
    ("proc/sys/kernel/numa_balancing", "0\n", "1\n"),
    ("sys/block/nvme0n1/queue/write_cache", "write through\n", "write back\n"),
    ("sys/block/nvme0n1/queue/fua", "0\n", "0\n"),
    ("sys/block/nvme0n1/queue/scheduler", "[none] mq-deadline\n", "none [bfq]\n"),
    ("sys/block/loop0/queue/scheduler", "[bfq]\n", "[bfq]\n"),
];

fn write(root: &Path, path: &str, content: &str) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().expect("a path with a folder")).expect("a folder");
    std::fs::write(file, content).expect("a file");
}

fn good() -> Folder {
    let folder = Folder::new();
    FILES.iter().for_each(|(path, good, _)| write(folder.path(), path, good));
    folder
}

fn bad() -> Folder {
    let folder = Folder::new();
    FILES.iter().for_each(|(path, _, bad)| write(folder.path(), path, bad));
    folder
}

fn refused() -> Result<(), String> {
    Err("io_uring is forbidden on this host".to_owned())
}

fn report(folder: &Folder, ring: Result<(), String>, profile: Profile) -> Report {
    Report::of(&Rooted::in_folder(folder.path(), ring), profile.name(), profile)
}

fn verdict(report: &Report, item: &str) -> Verdict {
    let line = report.items.iter().find(|line| line.item == item);
    line.unwrap_or_else(|| panic!("no item {item}")).verdict
}

/// The item's verdict on the good host with one file changed.
fn with(path: &str, content: &str, item: &str) -> Verdict {
    let folder = good();
    write(folder.path(), path, content);
    verdict(&report(&folder, Ok(()), Profile::Latency), item)
}

#[test]
fn on_a_good_host_every_item_is_ok_in_every_profile() {
    let folder = good();
    for profile in Profile::ALL {
        let report = report(&folder, Ok(()), profile);
        assert!(report.met);
        for line in &report.items {
            assert_eq!(line.verdict, Verdict::Ok, "{line:?}");
            assert_eq!(line.fix, "");
        }
    }
}

#[test]
fn on_a_bad_host_every_item_is_seen_and_says_how_to_fix_it() {
    let folder = bad();
    let report = report(&folder, refused(), Profile::Latency);
    assert!(!report.met);
    for line in report.items.iter().filter(|line| line.item != "NIC IRQs") {
        let missed = matches!(line.verdict, Verdict::Fail | Verdict::Warn);
        assert!(missed && !line.fix.is_empty() && !line.wanted.is_empty(), "{line:?}");
    }
    // Without isolated CPUs there is nothing to keep interrupts away from.
    assert_eq!(verdict(&report, "NIC IRQs"), Verdict::NotApplicable);
}

#[test]
fn what_fails_and_what_warns_depends_on_the_profile() {
    let folder = bad();
    let failed = |profile| -> Vec<&str> {
        let items = report(&folder, refused(), profile).items;
        let failed = items.into_iter().filter(|line| line.verdict == Verdict::Fail);
        failed.map(|line| line.item).collect()
    };
    let always = ["kernel", "io_uring", "memlock", "nofile"];
    assert_eq!(failed(Profile::Default), always);
    assert_eq!(failed(Profile::Throughput), always);
    assert_eq!(failed(Profile::SharedHost), always);
    assert_eq!(failed(Profile::Latency), ["kernel", "io_uring", "memlock", "nofile", "governor"]);
    let shared = report(&folder, refused(), Profile::SharedHost);
    assert_eq!(verdict(&shared, "governor"), Verdict::Unimportant);
    assert_eq!(verdict(&shared, "cpu.max"), Verdict::Warn);
}

#[test]
fn warnings_alone_leave_the_needs_met() {
    let folder = bad();
    write(folder.path(), "proc/sys/kernel/osrelease", "6.8.0\n");
    write(folder.path(), "proc/self/limits", LIMITS_GOOD);
    let report = report(&folder, Ok(()), Profile::Default);
    assert!(report.met);
    assert_eq!(verdict(&report, "THP"), Verdict::Warn);
}

#[test]
fn what_a_host_does_not_have_is_not_applicable_and_never_fails() {
    let folder = Folder::new();
    for profile in Profile::ALL {
        let report = report(&folder, Ok(()), profile);
        assert!(report.met);
        for line in &report.items {
            let expected = match line.item {
                "io_uring" | "irqbalance" => Verdict::Ok,
                _ => Verdict::NotApplicable,
            };
            assert_eq!(line.verdict, expected, "{line:?}");
            assert!(!line.found.is_empty(), "{line:?}");
        }
    }
}

#[test]
fn nonsense_in_files_panics_nowhere() {
    for text in ["", "\u{0}\u{1}\n", "-1\n", "99999999999999999999999 0\n", ",,,[[[]]]::\n"] {
        let folder = Folder::new();
        FILES.iter().for_each(|(path, ..)| write(folder.path(), path, text));
        for profile in Profile::ALL {
            let report = report(&folder, Ok(()), profile);
            assert_eq!(report.items.len(), ITEMS.len());
        }
    }
}

#[test]
fn kernel_versions_are_compared_as_numbers() {
    let kernel = |release| with("proc/sys/kernel/osrelease", release, "kernel");
    assert_eq!(kernel("6.0.19\n"), Verdict::Fail);
    assert_eq!(kernel("6.10.3\n"), Verdict::Ok);
    assert_eq!(kernel("10.0-rc1\n"), Verdict::Ok);
}

#[test]
fn the_tightest_group_counts_and_whole_cpus_are_no_harm() {
    let quota = |text| with("sys/fs/cgroup/cpu.max", text, "cpu.max");
    assert_eq!(quota("200000 100000\n"), Verdict::Ok, "two CPUs for two");
    assert_eq!(quota("199999 100000\n"), Verdict::Warn);
    assert_eq!(with("sys/fs/cgroup/a/memory.max", "1073741823\n", "memory.max"), Verdict::Warn);
}

#[test]
fn memory_is_locked_for_each_core_that_may_run() {
    let limits = |bytes: u64| format!("Max locked memory  {bytes}  {bytes}  bytes\n");
    let memlock = |bytes| with("proc/self/limits", &limits(bytes), "memlock");
    let two_cores = 2 * runtime::host::LOCKED_MEMORY_MIN_BYTES;
    assert_eq!(memlock(two_cores), Verdict::Ok);
    assert_eq!(memlock(two_cores - 1), Verdict::Fail);
}

#[test]
fn interrupts_behind_a_virtual_bus_are_found() {
    let folder = good();
    let card = folder.path().join("sys/class/net/eth0");
    std::fs::remove_dir_all(card.join("device")).expect("removed");
    write(folder.path(), "sys/devices/pci0/virtio2/features", "1\n");
    write(folder.path(), "sys/devices/pci0/msi_irqs/41", "msix\n");
    write(folder.path(), "sys/devices/pci0/numa_node", "1\n");
    write(folder.path(), "proc/irq/41/smp_affinity_list", "1-2\n");
    symlink(folder.path().join("sys/devices/pci0/virtio2"), card.join("device")).expect("a link");
    let report = report(&folder, Ok(()), Profile::Latency);
    assert_eq!(verdict(&report, "NIC IRQs"), Verdict::Warn);
    assert_eq!(verdict(&report, "NIC node"), Verdict::Warn);
}

#[test]
fn a_disks_node_may_stand_at_its_controller_or_above() {
    let folder = bad();
    std::fs::remove_dir_all(folder.path().join("sys/block/nvme0n1/device")).expect("removed");
    let seen = |folder: &Path| {
        let report = Report::of(&Rooted::in_folder(folder, Ok(())), "x", Profile::Latency);
        verdict(&report, "disk node")
    };
    assert_eq!(seen(folder.path()), Verdict::NotApplicable);
    write(folder.path(), "sys/devices/pci7/virtio0/features", "1\n");
    write(folder.path(), "sys/devices/pci7/numa_node", "1\n");
    let device = folder.path().join("sys/block/nvme0n1/device");
    symlink(folder.path().join("sys/devices/pci7/virtio0"), device).expect("a link");
    assert_eq!(seen(folder.path()), Verdict::Warn);
    write(folder.path(), "sys/devices/pci7/numa_node", "-1\n");
    assert_eq!(seen(folder.path()), Verdict::NotApplicable);
}

#[test]
fn a_write_back_cache_with_forced_access_is_good() {
    let folder = bad();
    write(folder.path(), "sys/block/nvme0n1/queue/fua", "1\n");
    let report = report(&folder, Ok(()), Profile::Default);
    assert_eq!(verdict(&report, "disk write cache"), Verdict::Ok);
}

#[test]
fn the_table_names_every_item_and_explains_what_is_missed() {
    let folder = bad();
    let text = report(&folder, refused(), Profile::Latency).show(Form::Table);
    for item in ITEMS {
        assert!(text.lines().any(|line| line.starts_with(item.name)), "{}\n{text}", item.name);
    }
    assert!(text.contains("    fix  io_uring is forbidden on this host"), "{text}");
    assert!(text.contains("The needs of profile latency are NOT met: 5 failed; "), "{text}");
    let text = report(&good(), Ok(()), Profile::Latency).show(Form::Table);
    assert!(text.ends_with("The needs of profile latency are met; 0 warnings.\n"), "{text}");
}

#[test]
fn the_json_holds_all_that_the_table_has() {
    let folder = bad();
    let text = report(&folder, refused(), Profile::Latency).show(Form::Json);
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["profile"], "latency");
    assert_eq!(json["met"], false);
    let items = json["items"].as_array().expect("items");
    assert_eq!(items.len(), ITEMS.len());
    let expected = serde_json::json!({
        "item": "governor", "verdict": "fail", "weight": "need", "found": "performance, powersave",
        "wanted": "performance",
        "why": "a core that was slowed down takes milliseconds to speed up",
        "fix": "scripts/tune-host --apply",
    });
    assert!(items.contains(&expected), "{text}");
}

#[test]
fn the_page_lists_every_item() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tuning/host.md");
    let page = std::fs::read_to_string(page).expect("tuning/host.md");
    for item in ITEMS {
        let row = format!("| {} |", item.name);
        assert!(page.contains(&row), "tuning/host.md has no row for {}", item.name);
    }
}
