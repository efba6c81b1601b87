//! What compaction keeps of its sources beside messages: values, removals, the ends of streams and
//! how far streams have come, each only if a segment that stays cannot do without it.

use super::compaction::{Output, Source, Stuck};
use super::index::Index;
use super::record::{Record, RecordKind};
use super::segments::{reached_of, reached_value};
use super::{Key, KeyKind, Log, Map, Removed, Slot, StreamNumber};

impl Log {
    /// Copies what else is needed of the sources.
    pub(super) fn copy_controls(
        &mut self,
        sources: &[Source],
        output: &mut Output,
    ) -> Result<(), Stuck> {
        let slots: Vec<Slot> = sources.iter().map(|source| source.slot).collect();
        let mut result = Ok(());
        for source in sources {
            let index = Index::parse(&source.index).expect("it was parsed before");
            for record in index.controls() {
                let head = record.head;
                let is_needed = match head.kind {
                    RecordKind::Keyed => record.keyed().is_some_and(|keyed| {
                        let key = Key::of(&keyed);
                        let newest = self.keys.get(&key).map(|state| state.order);
                        newest == Some(keyed.order) && self.is_key_needed(key, &slots)
                    }),
                    RecordKind::Remove => {
                        let within = (head.sequence, head.time);
                        self.segments.stand_elsewhere(&slots, head.stream, within)
                    }
                    RecordKind::StreamGone => self.is_gone_needed(head.stream, &slots),
                    _ => false,
                };
                if is_needed && result.is_ok() {
                    result = self.copy_control(output, &record);
                }
            }
        }
        for (stream, (sequence, time_ns)) in self.reached_of_sources(&slots, sources) {
            if result.is_ok() {
                result = self.copy_reached(output, stream, sequence, time_ns);
            }
        }
        result
    }

    fn copy_control(&mut self, output: &mut Output, record: &Record<'_>) -> Result<(), Stuck> {
        let length = record.bytes.len();
        self.room_for_control(output, length)?;
        let offset = output.writer.put(length, |out| out.copy_from_slice(record.bytes));
        output.writer.index.add_record(record, offset);
        let head = record.head;
        match head.kind {
            RecordKind::Remove => {
                let (first, last) = (head.sequence, head.time);
                output.removes.push(Removed { stream: head.stream, first, last });
            }
            RecordKind::StreamGone => output.gone.push(head.stream),
            _ => {
                if let Some(keyed) = record.keyed() {
                    output.keys.push((Key::of(&keyed), keyed.order, keyed.value.is_none()));
                }
            }
        }
        Ok(())
    }

    /// Sees to it that the output has room.
    fn room_for_control(&mut self, output: &mut Output, length: usize) -> Result<(), Stuck> {
        if !output.writer.fits_segment(length, length) {
            return Err(Stuck);
        }
        if !output.writer.fits_block(length) {
            self.write_copy(output, Some(length));
        }
        Ok(())
    }

    fn copy_reached(
        &mut self,
        output: &mut Output,
        stream: StreamNumber,
        sequence: u64,
        time_ns: u64,
    ) -> Result<(), Stuck> {
        let value = reached_value(sequence, time_ns);
        let order = self.next_order;
        self.next_order += 1;
        let key = Key { stream, kind: KeyKind::REACHED, key: 0 };
        let keyed = key.value(order, Some(&value));
        let length = keyed.record_bytes();
        self.room_for_control(output, length)?;
        output.writer.put(length, |out| keyed.write(out));
        output.writer.index.add_keyed(key, order, Some(&value));
        output.reached.push((stream, sequence));
        Ok(())
    }

    /// How far streams have come that only the sources tell of, and when that was.
    fn reached_of_sources(
        &self,
        slots: &[Slot],
        sources: &[Source],
    ) -> Vec<(StreamNumber, (u64, u64))> {
        let mut reached: Map<StreamNumber, (u64, u64)> = Map::default();
        let mut reach = |stream, so_far: (u64, u64)| {
            let known = reached.entry(stream).or_default();
            *known = so_far.max(*known);
        };
        for source in sources {
            let index = Index::parse(&source.index).expect("it was parsed before");
            for keyed in index.controls().filter_map(|record| record.keyed()) {
                if keyed.key_kind == KeyKind::REACHED.0
                    && let Some(so_far) = keyed.value.and_then(reached_of)
                {
                    reach(keyed.stream, so_far);
                }
            }
            for stream in index.streams() {
                let is_needed = self.is_reached_needed(stream.number, stream.last, slots);
                if is_needed && let Some(last) = stream.messages().last() {
                    reach(stream.number, (last.sequence, last.time_ns));
                }
            }
        }
        let is_needed = |(stream, (sequence, _)): &(StreamNumber, (u64, u64))| {
            self.is_reached_needed(*stream, *sequence, slots)
        };
        reached.into_iter().filter(is_needed).collect()
    }
}
