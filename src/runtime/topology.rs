//! Which hardware threads share a core, and which cores are near a network card or a disk, as the
//! kernel tells in `/sys`.

use std::path::{Path, PathBuf};

/// The kernel's tree of devices.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
}

impl Default for Sysfs {
    fn default() -> Self {
        Sysfs { root: "/sys".into() }
    }
}

/// Where a network card or a disk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DevicePlace {
    /// On the NUMA node with these cores.
    Near(Vec<usize>),
    /// The kernel does not say: a virtual device, or a host with one node.
    Unknown,
    /// There is no such device; these there are.
    Missing(Vec<String>),
}

impl Sysfs {
    /// A tree elsewhere, for tests.
    pub fn at(root: impl Into<PathBuf>) -> Sysfs {
        Sysfs { root: root.into() }
    }

    /// The first of `allowed` in each physical core. A core whose siblings the kernel does not
    /// tell stands for itself.
    pub fn one_per_core(&self, allowed: &[usize]) -> Vec<usize> {
        let is_first = |&core: &usize| {
            let siblings = format!("devices/system/cpu/cpu{core}/topology/thread_siblings_list");
            let siblings = self.cores_in(&siblings).unwrap_or_default();
            !siblings.iter().any(|sibling| *sibling < core && allowed.contains(sibling))
        };
        allowed.iter().copied().filter(is_first).collect()
    }

    /// Where a network card (`eth0`) or a disk (`nvme0n1`) is.
    pub fn device(&self, name: &str) -> DevicePlace {
        let kinds = ["class/net", "block"];
        let Some(kind) = kinds.into_iter().find(|kind| self.names_in(kind).contains(&name.into()))
        else {
            return DevicePlace::Missing(
                kinds.iter().flat_map(|kind| self.names_in(kind)).collect(),
            );
        };
        let node = self.node_of(&self.root.join(kind).join(name).join("device"));
        let Some(node) = node else {
            return DevicePlace::Unknown;
        };
        match self.cores_in(&format!("devices/system/node/node{node}/cpulist")) {
            Some(cores) if !cores.is_empty() => DevicePlace::Near(cores),
            _ => DevicePlace::Unknown,
        }
    }

    /// The node stands at the device on the bus, which may be some levels up: a disk hangs on its
    /// controller, a virtual card on its channel. -1 where the kernel does not know.
    fn node_of(&self, device: &Path) -> Option<u32> {
        let device = device.canonicalize().ok()?;
        let levels = device.ancestors().take_while(|level| level.starts_with(&self.root));
        let text = levels
            .filter_map(|level| std::fs::read_to_string(level.join("numa_node")).ok())
            .next()?;
        text.trim().parse().ok()
    }

    fn names_in(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.root.join(folder)) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    fn cores_in(&self, path: &str) -> Option<Vec<usize>> {
        parse_cores(self.text(path)?.trim())
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }
}

/// `0-3,8`, as the kernel writes it; nothing for anything else.
fn parse_cores(text: &str) -> Option<Vec<usize>> {
    /// More cores than any host has; a wrong file must not fill the memory.
    const CORES_MAX: usize = 65_536;
    let mut cores = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        if last >= CORES_MAX {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A host of the test's own making, gone with its value.
    pub(crate) struct FakeHost(PathBuf);

    impl FakeHost {
        /// Files by path, in a folder of this name.
        pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> FakeHost {
            let folder = format!("corewire-{name}-{}", std::process::id());
            let host = FakeHost(std::env::temp_dir().join(folder));
            for (path, text) in files {
                let path = host.0.join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            host
        }

        pub(crate) fn sysfs(&self) -> Sysfs {
            Sysfs::at(&self.0)
        }
    }

    impl Drop for FakeHost {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Two nodes of two cores of two threads; one card on node 1, one that is nowhere.
    pub(crate) const TWO_NODES: &[(&str, &str)] = &[
        ("devices/system/cpu/cpu0/topology/thread_siblings_list", "0,4\n"),
        ("devices/system/cpu/cpu1/topology/thread_siblings_list", "1,5\n"),
        ("devices/system/cpu/cpu2/topology/thread_siblings_list", "2,6\n"),
        ("devices/system/cpu/cpu3/topology/thread_siblings_list", "3,7\n"),
        ("devices/system/cpu/cpu4/topology/thread_siblings_list", "0,4\n"),
        ("devices/system/cpu/cpu5/topology/thread_siblings_list", "1,5\n"),
        ("devices/system/cpu/cpu6/topology/thread_siblings_list", "2,6\n"),
        ("devices/system/cpu/cpu7/topology/thread_siblings_list", "3,7\n"),
        ("devices/system/node/node0/cpulist", "0-1,4-5\n"),
        ("devices/system/node/node1/cpulist", "2-3,6-7\n"),
        ("class/net/fast0/device/numa_node", "1\n"),
        ("class/net/virt0/device/numa_node", "-1\n"),
        ("devices/pci0/numa_node", "0\n"),
        ("devices/pci0/nvme0/model", "fast\n"),
        ("block/ram0/size", "1\n"),
    ];

    #[test]
    fn one_allowed_thread_stands_for_each_core() {
        let host = FakeHost::new("siblings", TWO_NODES);
        let all: Vec<usize> = (0..8).collect();
        assert_eq!(host.sysfs().one_per_core(&all), [0, 1, 2, 3]);
        assert_eq!(host.sysfs().one_per_core(&[1, 4, 5, 6]), [1, 4, 6]);
        assert_eq!(Sysfs::at("/nowhere").one_per_core(&[0, 1]), [0, 1]);
    }

    #[test]
    fn a_device_is_near_its_node_or_nowhere_or_missing() {
        let host = FakeHost::new("cards", TWO_NODES);
        assert_eq!(host.sysfs().device("fast0"), DevicePlace::Near(vec![2, 3, 6, 7]));
        assert_eq!(host.sysfs().device("virt0"), DevicePlace::Unknown);
        let present = ["fast0", "virt0", "ram0"].map(str::to_owned).to_vec();
        assert_eq!(host.sysfs().device("fast1"), DevicePlace::Missing(present));
        assert_eq!(host.sysfs().device("ram0"), DevicePlace::Unknown);
    }

    #[test]
    fn a_disks_node_is_that_of_the_bus_it_hangs_on() {
        let host = FakeHost::new("disks", TWO_NODES);
        let disk = host.0.join("block/nvme0n1");
        std::fs::create_dir_all(&disk).unwrap();
        std::os::unix::fs::symlink("../../devices/pci0/nvme0", disk.join("device")).unwrap();
        assert_eq!(host.sysfs().device("nvme0n1"), DevicePlace::Near(vec![0, 1, 4, 5]));
    }

    #[test]
    fn lists_that_are_none_are_nothing() {
        assert_eq!(parse_cores("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_cores(""), Some(vec![]));
        assert_eq!(parse_cores("0-99999999999"), None);
        assert_eq!(parse_cores("x"), None);
    }
}
