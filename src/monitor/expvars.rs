//! `/debug/vars`: the variables that Go programs publish, as far as this process has them
//! (spec/monitoring.md §12, ExpvarzStatus).

use serde::Serialize;

use crate::answer::Scene;
use crate::reply::Reply;
use crate::source::Source;

#[derive(Serialize)]
struct Variables {
    cmdline: Vec<String>,
    memstats: MemStats,
}

/// Of Go's figures those that have a meaning without a garbage collector.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MemStats {
    alloc: u64,
    sys: u64,
    heap_alloc: u64,
    heap_sys: u64,
    heap_inuse: u64,
    #[serde(rename = "NumGC")]
    num_gc: u64,
}

pub(crate) fn answer<S: Source>(scene: &Scene<'_, S>) -> Reply {
    let resident = scene.process.resident_bytes();
    let mapped = scene.process.mapped_bytes();
    scene.json(&Variables {
        cmdline: redacted(std::env::args()),
        memstats: MemStats {
            alloc: resident,
            sys: mapped,
            heap_alloc: resident,
            heap_sys: mapped,
            heap_inuse: resident,
            num_gc: 0,
        },
    })
}

/// The program and its flags without what they carry: passwords, tokens and addresses with
/// passwords in them stand there.
fn redacted(args: impl Iterator<Item = String>) -> Vec<String> {
    let shown = |(at, arg): (usize, String)| match arg.split_once('=') {
        _ if at == 0 => arg,
        Some((flag, _)) if flag.starts_with('-') => format!("{flag}=xxxxx"),
        _ if arg.starts_with('-') => arg,
        _ => String::from("xxxxx"),
    };
    args.enumerate().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_flags_carry_is_not_shown() {
        let args = ["corewire", "-p", "4222", "--pass=s3cr3t", "--auth", "s3cr3t", "-js"];
        let shown = redacted(args.into_iter().map(String::from));
        assert_eq!(shown, ["corewire", "-p", "xxxxx", "--pass=xxxxx", "--auth", "xxxxx", "-js"]);
    }
}
