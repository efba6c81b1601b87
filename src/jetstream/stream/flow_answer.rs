//! Answers to an origin's flow control: they say how far this stream has what the origin sent, so
//! each waits until that is safe on this server's disk.
//!
//! An origin that keeps messages until they are acknowledged (a work queue, a stream retained by
//! interest) takes these answers for acknowledgements, where its consumer has the flow-control
//! policy. Source: spec/jetstream.md §11; §4 ack_policy.

use std::collections::VecDeque;

use protocol::MessageParts;
use storage::Mark;

use super::{Stream, Turn, header_block};

/// Answers that wait for the disk.
#[derive(Debug, Default)]
pub(super) struct FlowAnswers {
    waiting: VecDeque<FlowAnswer>,
}

#[derive(Debug)]
struct FlowAnswer {
    mark: Mark,
    to: Box<[u8]>,
    /// The last delivery that came, and where it stood in the origin.
    consumer_seq: u64,
    stream_seq: u64,
}

impl FlowAnswers {
    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Stream {
    /// Answers on `to` once everything stored so far is safe.
    pub(super) fn answer_flow(
        &mut self,
        to: &[u8],
        (consumer_seq, stream_seq): (u64, u64),
        turn: &mut Turn<'_>,
    ) {
        let (mark, to) = (self.last_mark, to.into());
        self.flow_answers.waiting.push_back(FlowAnswer { mark, to, consumer_seq, stream_seq });
        if !self.is_republishing(turn) {
            self.send_flow_answers(turn);
        }
    }

    /// Sends the answers whose turn has come.
    pub(super) fn send_flow_answers(&mut self, turn: &mut Turn<'_>) {
        let durable = turn.storage.durable();
        while let Some(answer) = self.flow_answers.waiting.pop_front_if(|next| next.mark <= durable)
        {
            let block = &mut self.header_buffer;
            header_block::begin(block);
            header_block::add_number(block, "Nats-Last-Consumer", answer.consumer_seq);
            header_block::add_number(block, "Nats-Last-Stream", answer.stream_seq);
            header_block::end(block);
            let headers = Some(&block[..]);
            let message = MessageParts { subject: &answer.to, reply: None, headers, payload: &[] };
            turn.outlet.publish(self.account, &message);
        }
    }
}
