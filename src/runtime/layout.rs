//! Which cores have a shard and where the control thread runs: what the operator wants, made
//! true on this host. Pure but for [`Sysfs`]; the threads are pinned elsewhere.

use std::fmt;

use crate::host::{HostError, allowed_cores, cpu_quota};
use crate::topology::{DevicePlace, Sysfs};

/// What the operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which cores have a shard.
    pub shards: Shards,
    /// How many have one at most, where they are not listed.
    pub shards_max: usize,
    /// Where the control thread runs.
    pub control: Control,
}

/// Which cores have a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shards {
    /// All allowed ones, up to the CPU quota.
    All,
    /// One hardware thread of each physical core, up to the CPU quota.
    Physical,
    /// Those on the NUMA node of this network card or disk, up to the CPU quota.
    NumaOf(String),
    /// These.
    Listed(Vec<usize>),
}

/// Where the control thread runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Anywhere.
    Any,
    /// On the allowed cores without a shard.
    Apart,
    /// On these.
    Listed(Vec<usize>),
}

/// What there will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The cores with a shard.
    pub shards: Vec<usize>,
    /// The control thread's cores; `None` when it is not pinned.
    pub control: Option<Vec<usize>>,
    /// Where this is not what was wanted.
    pub notes: Vec<Note>,
}

/// A wish that this host does not grant, and what is done instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Nobody knows where the device is.
    DeviceNowhere(String),
    /// Each core has a shard.
    NothingApart,
    /// The control thread's cores are all there is, so shards run there too.
    NothingForShards,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::DeviceNowhere(device) => write!(
                f,
                "cores: the kernel names no NUMA node of {device}; cores of all nodes are used"
            ),
            Note::NothingApart => f.write_str(
                "control_cores: each core has a shard, so the control thread runs among them; \
                 leave a core out with --cores or cores_max",
            ),
            Note::NothingForShards => f.write_str(
                "control_cores: these are all cores there are, so the shards run there too",
            ),
        }
    }
}

/// The layout for this process.
///
/// # Errors
/// [`HostError::CoreNotAllowed`] and [`HostError::DeviceMissing`].
pub fn choose(wanted: &Wanted) -> Result<Layout, HostError> {
    choose_on(wanted, &allowed_cores(), cpu_quota(), &Sysfs::default())
}

fn choose_on(
    wanted: &Wanted,
    allowed: &[usize],
    quota: Option<usize>,
    sysfs: &Sysfs,
) -> Result<Layout, HostError> {
    let mut notes = Vec::new();
    if let Control::Listed(cores) = &wanted.control {
        check(cores, allowed)?;
    }
    let shards = match candidates(&wanted.shards, allowed, sysfs, &mut notes)? {
        Candidates::Fixed(cores) => cores,
        Candidates::Free(mut cores) => {
            if let Control::Listed(control) = &wanted.control {
                cores.retain(|core| !control.contains(core));
            }
            if cores.is_empty() {
                notes.push(Note::NothingForShards);
                cores = allowed.to_vec();
            }
            let quota = quota.unwrap_or(cores.len()).max(1);
            cores.truncate(quota.min(wanted.shards_max).min(base::SHARDS_MAX));
            cores
        }
    };
    let control = match &wanted.control {
        Control::Any => None,
        Control::Listed(cores) => Some(cores.clone()),
        Control::Apart => {
            let apart = allowed.iter().copied().filter(|core| !shards.contains(core));
            let apart: Vec<usize> = apart.collect();
            if apart.is_empty() {
                notes.push(Note::NothingApart);
            }
            (!apart.is_empty()).then_some(apart)
        }
    };
    Ok(Layout { shards, control, notes })
}

/// Cores from which the shards' are taken.
enum Candidates {
    /// All of them.
    Fixed(Vec<usize>),
    /// As many as quota and bounds allow.
    Free(Vec<usize>),
}

fn candidates(
    shards: &Shards,
    allowed: &[usize],
    sysfs: &Sysfs,
    notes: &mut Vec<Note>,
) -> Result<Candidates, HostError> {
    Ok(match shards {
        Shards::Listed(cores) => {
            check(cores, allowed)?;
            Candidates::Fixed(cores.clone())
        }
        Shards::All => Candidates::Free(allowed.to_vec()),
        Shards::Physical => Candidates::Free(sysfs.one_per_core(allowed)),
        Shards::NumaOf(device) => match sysfs.device(device) {
            DevicePlace::Missing(present) => {
                return Err(HostError::DeviceMissing { device: device.clone(), present });
            }
            DevicePlace::Near(near) => {
                let near = near.into_iter().filter(|core| allowed.contains(core)).collect();
                Candidates::Free(near)
            }
            DevicePlace::Unknown => {
                notes.push(Note::DeviceNowhere(device.clone()));
                Candidates::Free(allowed.to_vec())
            }
        },
    })
}

fn check(cores: &[usize], allowed: &[usize]) -> Result<(), HostError> {
    match cores.iter().find(|core| !allowed.contains(core)) {
        Some(&core) => Err(HostError::CoreNotAllowed { core, allowed: allowed.to_vec() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::tests::{FakeHost, TWO_NODES};

    fn layout(shards: Shards, control: Control) -> Result<Layout, HostError> {
        layout_of(Wanted { shards, shards_max: 128, control }, None)
    }

    fn layout_of(wanted: Wanted, quota: Option<usize>) -> Result<Layout, HostError> {
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let host = FakeHost::new(&name, TWO_NODES);
        choose_on(&wanted, &[0, 1, 2, 3, 4, 5, 6, 7], quota, &host.sysfs())
    }

    #[test]
    fn shards_are_where_they_are_wanted() {
        let shards = |wanted| layout(wanted, Control::Any).unwrap().shards;
        assert_eq!(shards(Shards::All), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(shards(Shards::Physical), [0, 1, 2, 3]);
        assert_eq!(shards(Shards::NumaOf("fast0".into())), [2, 3, 6, 7]);
        assert_eq!(shards(Shards::Listed(vec![5, 1])), [5, 1]);
    }

    #[test]
    fn quota_and_bound_hold_but_for_a_list() {
        let wanted = |shards, shards_max| Wanted { shards, shards_max, control: Control::Any };
        let shards = |wanted, quota| layout_of(wanted, quota).unwrap().shards;
        assert_eq!(shards(wanted(Shards::All, 128), Some(2)), [0, 1]);
        assert_eq!(shards(wanted(Shards::Physical, 3), Some(6)), [0, 1, 2]);
        assert_eq!(shards(wanted(Shards::Listed(vec![6, 7]), 1), Some(1)), [6, 7]);
    }

    #[test]
    fn the_control_thread_is_apart_where_a_core_is_left() {
        let apart = layout(Shards::Physical, Control::Apart).unwrap();
        assert_eq!((apart.control, apart.notes), (Some(vec![4, 5, 6, 7]), vec![]));
        let nothing = layout(Shards::All, Control::Apart).unwrap();
        assert_eq!((nothing.control, nothing.notes), (None, vec![Note::NothingApart]));
        let listed = layout(Shards::Physical, Control::Listed(vec![0])).unwrap();
        assert_eq!((listed.shards, listed.control), (vec![1, 2, 3], Some(vec![0])));
        let all = layout(Shards::NumaOf("fast0".into()), Control::Listed(vec![2, 3, 6, 7]));
        assert_eq!(all.unwrap().notes, [Note::NothingForShards]);
    }

    #[test]
    fn what_the_host_lacks_is_named() {
        let text = |wanted| layout(wanted, Control::Any).unwrap_err().to_string();
        assert!(text(Shards::Listed(vec![9])).starts_with("core 9 was asked for"));
        let missing = text(Shards::NumaOf("fast1".into()));
        assert!(missing.contains("\"fast1\"") && missing.contains("fast0, virt0"), "{missing}");
        let nowhere = layout(Shards::NumaOf("virt0".into()), Control::Any).unwrap();
        assert_eq!(nowhere.notes, [Note::DeviceNowhere("virt0".into())]);
        assert!(layout(Shards::All, Control::Listed(vec![8])).is_err());
    }
}
