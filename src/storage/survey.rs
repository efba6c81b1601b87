//! Stored files looked at while no server has them: what recovery would find, segment by segment
//! and stream by stream, and every record read where that is asked for. Writes nothing.

use std::path::PathBuf;

use runtime::Files;

use crate::log::{
    BrokenMessage, Damage, LogSettings, OpenError, Overlay, SegmentSurvey, StreamNumber,
    Sync as LogSync,
};
use crate::streams::Movers;
use crate::{Keys, Storage, StreamState, ValueKey};

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closely {
    /// What a start reads: borders and indexes, and the data of what was not sealed.
    AsAtStart,
    /// Every message that is needed, too.
    EveryRecord,
}

/// What stands in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// The segments of all logs, by file.
    pub segments: Vec<SegmentSurvey>,
    /// The streams of all logs.
    pub streams: Vec<StreamSurvey>,
    /// What is wrong with the files.
    pub damages: Vec<Damage>,
    /// Messages that are needed and cannot be read; known only where every record was read.
    pub broken: Vec<BrokenMessage>,
    /// Messages that were read and are whole.
    pub whole: u64,
    /// Bytes behind the last whole batch, never acknowledged: a start cuts them.
    pub cut_bytes: u64,
}

/// A stream in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSurvey {
    /// Its number; the upper eight bits are the log's that made it.
    pub number: StreamNumber,
    /// Its messages in numbers.
    pub state: StreamState,
    /// What its owner keeps beside them.
    pub values: Vec<(ValueKey, Box<[u8]>)>,
}

impl Survey {
    /// Looks at the logs in these folders, as one: streams may lie in several of them. `keys` are
    /// those of their store.
    ///
    /// # Errors
    /// [`OpenError`] when a folder cannot be read; damage is none: it is in the survey.
    pub fn of(
        files: &dyn Files,
        mut folders: Vec<PathBuf>,
        keys: Keys,
        closely: Closely,
    ) -> Result<Survey, OpenError> {
        if folders.is_empty() {
            return Ok(Survey::default());
        }
        let overlay = Overlay::over(files);
        let own = folders.remove(0);
        let settings = LogSettings { keys, ..LogSettings::of(own, folders, 0, LogSync::Always) };
        let (mut storage, report) = Storage::open(settings, &overlay)?;
        let found = storage.recovered();
        let mut survey =
            Survey { damages: report.damages, cut_bytes: report.cut_bytes, ..Survey::default() };
        for (id, values) in found {
            let stream = storage.stream(id);
            let Some(number) = stream.bodies.number() else { continue };
            survey.streams.push(StreamSurvey { number, state: stream.state(), values });
        }
        survey.streams.sort_by_key(|stream| stream.number);
        let (log, streams) = storage.parts();
        survey.segments = log.survey(files, &overlay);
        if closely == Closely::EveryRecord {
            let owner = Movers { streams, moves: Vec::new() };
            let reading = log.read_through(&overlay, &owner);
            (survey.broken, survey.whole) = (reading.broken, reading.whole);
            survey.damages.extend(reading.damages);
        }
        Ok(survey)
    }

    /// Whether nothing is wrong. What a start cuts was never acknowledged, and is not wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty() && self.broken.is_empty()
    }
}
