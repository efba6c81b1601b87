//! What was found in a store, for people.

use std::fmt::Write as _;

use crate::report::{LogLines, Report, StreamLine, name_of};

/// The report in lines.
pub fn print(report: &Report) -> String {
    let mut out = String::new();
    for log in &report.logs {
        print_log(log, &mut out);
    }
    for stream in &report.streams {
        print_stream(stream, &mut out);
    }
    for step in &report.repaired {
        let _ = writeln!(out, "repaired: {}", step.text);
    }
    for damage in &report.damage {
        let _ = writeln!(out, "damaged: {}", damage.text);
    }
    if report.unacknowledged_bytes > 0 {
        let bytes = report.unacknowledged_bytes;
        let _ = writeln!(out, "{bytes} bytes were never acknowledged; a start cuts them");
    }
    if report.messages_read > 0 {
        let _ = writeln!(out, "{} messages read and found whole", report.messages_read);
    }
    out.push_str(if report.sound { "sound\n" } else { "not sound\n" });
    out
}

fn print_log(log: &LogLines, out: &mut String) {
    let bytes: u64 = log.segments.iter().map(|segment| segment.file_bytes).sum();
    let (name, count) = (name_of(&log.folder), log.segments.len());
    let _ = writeln!(out, "{name}: {count} segments, {bytes} bytes");
    for segment in &log.segments {
        let _ = writeln!(
            out,
            "  {}  {:<6}  version {}  {}{} bytes, {} of {} live messages, {} of others",
            segment.file,
            segment.state,
            segment.version,
            if segment.encrypted { "encrypted  " } else { "" },
            segment.file_bytes,
            segment.live_bytes,
            segment.live_messages,
            segment.other_bytes,
        );
    }
}

fn print_stream(stream: &StreamLine, out: &mut String) {
    let account = stream.account.as_deref().unwrap_or("an unknown account");
    let _ = writeln!(
        out,
        "stream {} ({account}, core-{}): {} messages, {} bytes, first {}, last {}, consumers: {}",
        stream.title(),
        stream.log,
        stream.messages,
        stream.bytes,
        stream.first_seq,
        stream.last_seq,
        if stream.consumers.is_empty() { "none".to_owned() } else { stream.consumers.join(", ") },
    );
}
