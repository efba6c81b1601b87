//! The machine that the figures were taken on: what somebody needs in order to believe them, or to
//! repeat them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cores::{self, Placement};

/// Names and values, in the order in which they are shown.
#[derive(Debug, Clone)]
pub struct Fingerprint {
    /// Name and value.
    pub rows: Vec<(&'static str, String)>,
}

impl Fingerprint {
    /// Reads the machine as it is now. What cannot be read is said to be unknown.
    pub fn take(placement: &Placement) -> Fingerprint {
        let cpuinfo = read("/proc/cpuinfo");
        let load = read("/proc/loadavg");
        let rows = vec![
            ("time", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S %Z").to_string()),
            ("CPU", cpu_model(&cpuinfo)),
            ("cores usable", cores::usable().to_string()),
            ("cores used", placement.describe()),
            ("SMT", word("/sys/devices/system/cpu/smt/control")),
            ("virtual machine", virtual_machine(&cpuinfo).to_string()),
            ("kernel", word("/proc/sys/kernel/osrelease")),
            ("mitigations", mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities"))),
            ("governor", word("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
            (
                "clock source",
                word("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            ),
            ("huge pages", chosen(&read("/sys/kernel/mm/transparent_hugepage/enabled"))),
            ("memory", memory(&read("/proc/meminfo"))),
            ("load average at start", load.split(' ').next().unwrap_or("unknown").to_string()),
            ("corewire-bench", env!("CARGO_PKG_VERSION").to_string()),
        ];
        Fingerprint { rows }
    }

    /// For `--json`.
    pub fn to_json(&self) -> Value {
        let pairs = self.rows.iter();
        pairs.map(|(name, value)| (name.replace(' ', "_"), Value::from(value.as_str()))).collect()
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn word(path: &str) -> String {
    match read(path).trim() {
        "" => "unknown".to_string(),
        word => word.to_string(),
    }
}

fn cpu_model(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(':')).map(|(_, model)| model.trim());
    model.unwrap_or("unknown").to_string()
}

fn virtual_machine(cpuinfo: &str) -> &'static str {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    match flags {
        Some(flags) if flags.split(' ').any(|flag| flag == "hypervisor") => "yes",
        Some(_) => "no",
        None => "unknown",
    }
}

/// The chosen one of `always [madvise] never`.
fn chosen(line: &str) -> String {
    let inside = line.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or("unknown", |(word, _)| word).to_string()
}

fn memory(meminfo: &str) -> String {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kibibytes.map_or("unknown".to_string(), |kib| crate::quantity::show_bytes(kib * 1024.0))
}

/// Every weakness that the CPU has, and what the kernel does about it.
fn mitigations(dir: &Path) -> String {
    let Ok(entries) = fs::read_dir(dir) else {
        return "unknown".to_string();
    };
    let mut found: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let state = fs::read_to_string(&path).ok()?;
            let state = state.trim();
            let name = path.file_name()?.to_string_lossy().into_owned();
            (state != "Not affected").then(|| format!("{name}: {state}"))
        })
        .collect();
    found.sort();
    if found.is_empty() { "none needed".to_string() } else { found.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_in_the_kernels_files() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu hypervisor sse\n";
        assert_eq!(cpu_model(cpuinfo), "AMD EPYC");
        assert_eq!(virtual_machine(cpuinfo), "yes");
        assert_eq!(virtual_machine("flags : fpu"), "no");
        assert_eq!(chosen("always [madvise] never"), "madvise");
        assert_eq!(memory("MemTotal:       1048576 kB\n"), "1.00 GiB");
        assert_eq!(mitigations(Path::new("/nonexistent")), "unknown");
    }

    #[test]
    fn this_machine_has_a_fingerprint() {
        let fingerprint = Fingerprint::take(&Placement::default());
        assert!(fingerprint.rows.iter().all(|(_, value)| !value.is_empty()));
        assert!(fingerprint.to_json()["kernel"].is_string());
    }
}
