//! A profile made true: what it says, in the words of the rooms that do it.

use base::{Level, Log};
use config::options::{Corewire, Options};
use config::profile::{self, ControlCores, CoreChoice, MemoryLock, Pages, Tuning};
use config::{cores::CoreList, limits};
use ring::Sizes;
use runtime::Uring;
use runtime::host::{self, HostError};
use runtime::layout::{self, Control, Layout, Shards, Wanted};
use runtime::socket_calls::SocketOptions;
use runtime::uring::{Gather, UringOptions};

use crate::core::Idle;

/// Chooses the cores, pins this thread, from which the control thread's helpers come, and locks
/// memory. Before any other thread is started.
///
/// # Errors
/// [`HostError`] for what this host does not allow.
pub fn prepare(corewire: &Corewire) -> Result<Layout, HostError> {
    let layout = layout::choose(&wanted(corewire))?;
    host::check_locked_memory()?;
    // Glommio would end the process in its own words.
    runtime::probe::build_ring()?;
    if let Some(cores) = &layout.control {
        host::pin_thread(cores).map_err(HostError::System)?;
    }
    if corewire.tuning.lock_memory == MemoryLock::On {
        host::lock_memory()?;
    }
    Ok(layout)
}

/// `--cores` and `corewire.cores` win over the profile.
fn wanted(corewire: &Corewire) -> Wanted {
    let tuning = &corewire.tuning;
    let shards = match (&corewire.cores, &tuning.cores) {
        (Some(cores), _) | (None, CoreChoice::Listed(cores)) => Shards::Listed(numbers(cores)),
        (None, CoreChoice::All) => Shards::All,
        (None, CoreChoice::Physical) => Shards::Physical,
        (None, CoreChoice::NumaOf(device)) => Shards::NumaOf(device.clone()),
    };
    let control = match &tuning.control_cores {
        ControlCores::Any => Control::Any,
        ControlCores::Apart => Control::Apart,
        ControlCores::Listed(cores) => Control::Listed(numbers(cores)),
    };
    Wanted { shards, shards_max: tuning.cores_max, control }
}

fn numbers(cores: &CoreList) -> Vec<usize> {
    cores.as_slice().iter().map(|&core| core as usize).collect()
}

/// What every client's socket gets from the listener.
pub fn socket_options(tuning: &Tuning) -> SocketOptions {
    SocketOptions {
        send_buffer_bytes: tuning.send_buffer_bytes,
        receive_buffer_bytes: tuning.receive_buffer_bytes,
        busy_poll_us: (tuning.busy_poll_us > 0).then_some(tuning.busy_poll_us),
    }
}

/// The rings between cores.
pub fn ring_sizes(tuning: &Tuning) -> Sizes {
    Sizes {
        data_bytes: tuning.ring_data_bytes,
        interest_bytes: tuning.ring_interest_bytes,
        payloads: limits::RING_LARGE_PAYLOADS,
        ..Sizes::default()
    }
}

/// How the ring of one of so many cores is built.
pub fn uring_options(options: &Options, cores: usize) -> UringOptions {
    let tuning = &options.corewire.tuning;
    UringOptions {
        read_chunk_bytes: tuning.read_chunk_bytes,
        read_chunks: tuning.read_chunks,
        disk_operations_max: (options.jetstream.disk_operations_max / cores).max(1),
    }
}

/// Tunes this core's thread and its ring, which stands. What the kernel refuses is a warning: the
/// core works without it.
pub fn tune(net: &mut Uring, tuning: &Tuning, log: &Log) {
    let scheduling = match tuning.scheduling {
        profile::Scheduling::Normal => None,
        profile::Scheduling::Batch => Some(host::Scheduling::Batch),
        profile::Scheduling::Realtime => Some(host::Scheduling::Realtime),
    };
    if let Some(Err(error)) = scheduling.map(host::schedule_thread) {
        let remedy = "grant CAP_SYS_NICE, or `LimitRTPRIO=1` in the systemd unit";
        log.say(Level::Warn, format!("scheduling has no effect: {error}; {remedy}"));
    }
    let mut refused = Vec::new();
    if tuning.gather_us > 0 {
        let gather = Gather { us: tuning.gather_us, events: tuning.gather_events as usize };
        refused.extend(net.gather(gather).err());
    }
    if tuning.busy_poll_us > 0 {
        refused.extend(net.busy_poll(tuning.busy_poll_us).err());
    }
    if tuning.huge_pages == Pages::Huge {
        refused.extend(net.use_huge_pages().err());
    }
    for refused in refused {
        log.say(Level::Warn, refused.to_string());
    }
}

/// What an idle core does.
pub fn idle(tuning: &Tuning) -> Idle {
    match (tuning.idle, tuning.spin_before_park_us) {
        (profile::Idle::Spin, _) => Idle::Spin,
        (profile::Idle::Park, 0) => Idle::Park,
        (profile::Idle::Park, us) => Idle::SpinThenPark { spin_ns: u64::from(us) * 1000 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted_by(cores: Option<&str>, tuning: Tuning) -> Wanted {
        let cores = cores.map(|cores| cores.parse().expect("a list"));
        wanted(&Corewire { cores, tuning, ..Corewire::default() })
    }

    #[test]
    fn the_command_line_wins_over_the_profile() {
        let physical = || Tuning { cores: CoreChoice::Physical, cores_max: 3, ..Tuning::default() };
        assert_eq!(wanted_by(Some("0,2"), physical()).shards, Shards::Listed(vec![0, 2]));
        let from_profile = wanted_by(None, physical());
        assert_eq!((from_profile.shards, from_profile.shards_max), (Shards::Physical, 3));
        assert_eq!(wanted_by(None, Tuning::default()).shards, Shards::All);
    }

    #[test]
    fn each_value_reaches_its_room() {
        let tuning = Tuning {
            spin_before_park_us: 3,
            busy_poll_us: 7,
            send_buffer_bytes: Some(8192),
            read_chunk_bytes: 65_536,
            read_chunks: 128,
            ring_data_bytes: 1 << 18,
            ring_interest_bytes: 1 << 17,
            control_cores: ControlCores::Listed("1".parse().expect("a list")),
            ..Tuning::default()
        };
        assert_eq!(idle(&tuning), Idle::SpinThenPark { spin_ns: 3000 });
        assert_eq!(idle(&Tuning { idle: profile::Idle::Spin, ..Tuning::default() }), Idle::Spin);
        assert_eq!(idle(&Tuning::default()), Idle::Park);
        let sockets = socket_options(&tuning);
        assert_eq!((sockets.busy_poll_us, sockets.send_buffer_bytes), (Some(7), Some(8192)));
        assert_eq!(socket_options(&Tuning::default()), SocketOptions::default());
        let mut options = Options::default();
        options.corewire.tuning = tuning.clone();
        options.jetstream.disk_operations_max = 9;
        let ring = uring_options(&options, 4);
        assert_eq!((ring.read_chunk_bytes, ring.read_chunks), (65_536, 128));
        assert_eq!(ring.disk_operations_max, 2);
        assert_eq!(uring_options(&options, 10).disk_operations_max, 1, "a core needs one");
        let sizes = ring_sizes(&tuning);
        assert_eq!((sizes.data_bytes, sizes.interest_bytes), (1 << 18, 1 << 17));
        assert_eq!(wanted_by(None, tuning).control, Control::Listed(vec![1]));
    }
}
