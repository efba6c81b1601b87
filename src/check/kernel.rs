//! The kernel: its version, its io_uring, its clock.

use crate::host::Host;
use crate::item::Seen;

/// Measured floor (measured.md): below it, multishot operations or deferred completions miss.
const KERNEL_MIN: (u32, u32) = (6, 1);

/// Clocks that are read without entering the kernel.
const FAST_CLOCKS: [&str; 4] =
    ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"];

/// 6.1 or newer.
pub fn version(host: &dyn Host) -> Seen {
    let Some(release) = host.read("proc/sys/kernel/osrelease") else {
        return Seen::Absent("no kernel release to read");
    };
    let is_good = parse_release(&release).is_some_and(|version| version >= KERNEL_MIN);
    Seen::judge(is_good, release, "6.1 or newer", "boot a newer kernel")
}

/// `6.18.44-generic` to major and minor.
fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|char: char| !char.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A ring like a core's own is built and used.
pub fn ring(host: &dyn Host) -> Seen {
    let wanted = "multishot accept and receive, provided buffers, MSG_RING";
    match host.ring() {
        Ok(()) => Seen::Good { found: "all of them work".to_owned(), wanted: wanted.to_owned() },
        Err(why) => {
            Seen::Bad { found: "does not work".to_owned(), wanted: wanted.to_owned(), fix: why }
        }
    }
}

/// The switch that forbids io_uring: 0 nobody, 1 users without privileges, 2 all.
pub fn ring_switch(host: &dyn Host) -> Seen {
    let Some(switch) = host.read("proc/sys/kernel/io_uring_disabled") else {
        return Seen::Absent("this kernel has no such switch");
    };
    let fix = "sysctl -w kernel.io_uring_disabled=0, or put the server's group into \
               kernel.io_uring_group";
    Seen::judge(switch == "0", switch, "0", fix)
}

/// Read in user space.
pub fn clock(host: &dyn Host) -> Seen {
    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";
    let Some(current) = host.read(&format!("{FOLDER}/current_clocksource")) else {
        return Seen::Absent("no clock source to read");
    };
    let is_good = FAST_CLOCKS.contains(&current.as_str());
    let fix = format!("echo tsc > /{FOLDER}/current_clocksource (if available_clocksource has it)");
    Seen::judge(is_good, current, FAST_CLOCKS[..3].join(" or "), fix)
}
