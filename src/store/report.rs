//! What was found in a store, in the form of its JSON.

use std::path::{Path, PathBuf};

use jetstream::kept_value::KeptValue;
use serde::Serialize;
use storage::log::{BrokenMessage, Damage, SegmentState, SegmentSurvey, StreamNumber};
use storage::{StreamSurvey, Survey};

use crate::place::Place;
use crate::repair::Step;

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The folder with the logs.
    pub folder: PathBuf,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// Each core's log.
    pub logs: Vec<LogLines>,
    /// The streams of all logs.
    pub streams: Vec<StreamLine>,
    /// What is wrong.
    pub damage: Vec<DamageLine>,
    /// Messages that were read and are whole; 0 where none was read.
    pub messages_read: u64,
    /// Bytes that were never acknowledged; a start cuts them.
    pub unacknowledged_bytes: u64,
    /// What a repair did.
    pub repaired: Vec<Step>,
}

/// One core's log.
#[derive(Clone, Debug, Serialize)]
pub struct LogLines {
    /// Its folder.
    pub folder: PathBuf,
    /// Its segments.
    pub segments: Vec<SegmentLine>,
}

/// One segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentLine {
    /// Its file.
    pub file: String,
    /// `free`, `open` or `sealed`.
    pub state: &'static str,
    /// The version of its layout.
    pub version: u16,
    /// Whether what stands in it is encrypted.
    pub encrypted: bool,
    /// The file's length.
    pub file_bytes: u64,
    /// Messages that are needed.
    pub live_messages: u64,
    /// Bytes of their records.
    pub live_bytes: u64,
    /// Bytes of all other data.
    pub other_bytes: u64,
}

/// One stream.
#[derive(Clone, Debug, Serialize)]
pub struct StreamLine {
    /// The number in the log.
    pub number: u32,
    /// The log that made it.
    pub log: u32,
    /// Its name; none where its configuration is lost.
    pub name: Option<String>,
    /// Its account.
    pub account: Option<String>,
    /// Messages.
    pub messages: u64,
    /// Bytes, counted as the stream counts them.
    pub bytes: u64,
    /// The oldest message.
    pub first_seq: u64,
    /// The last sequence used.
    pub last_seq: u64,
    /// The names of its consumers.
    pub consumers: Vec<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamageLine {
    /// `header`, `version`, `locked`, `short`, `index`, `record`, `message`, `unreadable`.
    pub kind: &'static str,
    /// Which file.
    pub file: PathBuf,
    /// Where, if it is a part of the file.
    pub offset: Option<u64>,
    /// How many bytes; 0 if that cannot be told.
    pub bytes: Option<u64>,
    /// The stream that a damaged message is of.
    pub stream: Option<String>,
    /// The message.
    pub sequence: Option<u64>,
    /// The same in words, and what it touches.
    pub text: String,
}

impl Report {
    /// What a survey found.
    pub fn of(place: &Place, survey: &Survey, repaired: Vec<Step>) -> Report {
        let lines = |folder: &PathBuf| {
            let of = survey.segments.iter();
            let of = of.filter(|segment| segment.file.parent() == Some(folder));
            LogLines { folder: folder.clone(), segments: of.map(SegmentLine::of).collect() }
        };
        let streams: Vec<_> = survey.streams.iter().map(StreamLine::of).collect();
        let mut damage: Vec<_> = survey.damages.iter().map(DamageLine::of).collect();
        damage.extend(survey.broken.iter().map(|broken| DamageLine::of_message(broken, &streams)));
        Report {
            folder: place.folder.clone(),
            sound: survey.is_sound(),
            logs: place.logs.iter().map(lines).collect(),
            streams,
            damage,
            messages_read: survey.whole,
            unacknowledged_bytes: survey.cut_bytes,
            repaired,
        }
    }
}

impl SegmentLine {
    fn of(segment: &SegmentSurvey) -> SegmentLine {
        let state = match segment.state {
            SegmentState::Free => "free",
            SegmentState::Open => "open",
            SegmentState::Sealed => "sealed",
        };
        let SegmentSurvey { version, file_bytes, live_messages, .. } = *segment;
        let SegmentSurvey { live_bytes, other_bytes, is_encrypted: encrypted, .. } = *segment;
        let file = name_of(&segment.file);
        SegmentLine {
            file,
            state,
            version,
            encrypted,
            file_bytes,
            live_messages,
            live_bytes,
            other_bytes,
        }
    }
}

/// A file's name without its folder.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl StreamLine {
    fn of(stream: &StreamSurvey) -> StreamLine {
        let StreamNumber(number) = stream.number;
        let mut line = StreamLine {
            number,
            log: number >> 24,
            name: None,
            account: None,
            messages: stream.state.messages,
            bytes: stream.state.bytes,
            first_seq: stream.state.first_seq.0,
            last_seq: stream.state.last_seq.0,
            consumers: Vec::new(),
        };
        for (key, value) in &stream.values {
            match KeptValue::read(*key, value) {
                Some(KeptValue::Stream { account, name }) => {
                    (line.account, line.name) = (Some(account), Some(name));
                }
                Some(KeptValue::Consumer(name)) => line.consumers.push(name),
                None => {}
            }
        }
        line
    }

    /// What people call it.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("without a name, number {:#x}", self.number))
    }
}

impl DamageLine {
    fn of(damage: &Damage) -> DamageLine {
        let (kind, offset, bytes) = match damage {
            Damage::Header { .. } | Damage::HeaderRebuilt { .. } => ("header", Some(0), None),
            Damage::Version { .. } => ("version", None, None),
            Damage::Locked { .. } => ("locked", None, None),
            Damage::Short { .. } => ("short", None, None),
            Damage::Index { .. } => ("index", None, None),
            Damage::Record { offset, len, .. } => ("record", Some(*offset), Some(*len)),
            Damage::Unreadable { .. } => ("unreadable", None, None),
        };
        let file = damage.file().to_path_buf();
        let text = damage.to_string();
        DamageLine { kind, file, offset, bytes, stream: None, sequence: None, text }
    }

    fn of_message(broken: &BrokenMessage, streams: &[StreamLine]) -> DamageLine {
        let of = streams.iter().find(|stream| stream.number == broken.stream.0);
        let stream = of.map(StreamLine::title);
        let text = format!("{broken} of stream {}", stream.clone().unwrap_or_default());
        DamageLine {
            kind: "message",
            file: broken.file.clone(),
            offset: Some(broken.offset),
            bytes: Some(broken.len),
            stream,
            sequence: Some(broken.sequence),
            text,
        }
    }
}
