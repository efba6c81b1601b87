//! What of a message stands in the lines that trace it, with `-V` (spec/cli-and-config.md §5).

use base::Log;
use protocol::error::GoQuoted;
use protocol::{HeaderSupport, Publish};

/// Where deliveries are traced, and how.
#[derive(Clone, Debug)]
pub struct Tracer {
    /// Where.
    pub log: Log,
    /// How.
    pub lines: TraceLines,
}

/// How a message's headers and payload are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceLines {
    /// What of them.
    pub traced: Traced,
    /// How many bytes; 0 is all.
    pub bytes_max: usize,
}

/// What of a message's headers and payload a trace line shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traced {
    /// Both.
    #[default]
    Whole,
    /// The headers (`trace_headers`).
    Headers,
}

impl TraceLines {
    /// `MSG_PAYLOAD: ["…"]` of a message as one sees it who takes headers or does not; nothing
    /// where there is nothing to show.
    pub fn payload(&self, publish: &Publish<'_>, headers: HeaderSupport) -> Option<String> {
        let shown = match (self.traced, headers) {
            (Traced::Whole, HeaderSupport::Supported) => &publish.body()[..publish.total_len()],
            (Traced::Whole, HeaderSupport::Unsupported) => publish.payload(),
            // Seen of nats-server 2.15.2: without the line ends behind them.
            (Traced::Headers, HeaderSupport::Supported) => {
                publish.headers().unwrap_or_default().trim_ascii_end()
            }
            (Traced::Headers, HeaderSupport::Unsupported) => b"",
        };
        if shown.is_empty() {
            return None;
        }
        let (shown, more) = match shown.get(..self.bytes_max) {
            Some(start) if self.bytes_max > 0 && shown.len() > self.bytes_max => (start, "..."),
            _ => (shown, ""),
        };
        let quoted = GoQuoted(shown).to_string();
        let open = quoted.strip_suffix('"').unwrap_or(&quoted);
        Some(format!("MSG_PAYLOAD: [{open}{more}\"]"))
    }
}
