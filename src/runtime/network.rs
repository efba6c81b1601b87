//! The network as a core sees it: it turns, hands over what happened, and takes commands.
//!
//! Commands never fail in the caller's face: what goes wrong with a socket comes back as an
//! [`Event`], so that there is one place where a connection ends.

use std::collections::VecDeque;
use std::net::SocketAddr;

use base::{ConnSlot, ShardId};
use buffer::Segment;

/// An open socket that no slot knows yet: just accepted, or handed over by another core.
#[derive(Debug, PartialEq, Eq)]
pub struct Socket {
    /// The descriptor; whoever holds the value must adopt, hand over or discard it.
    pub fd: i32,
}

/// Bytes that arrived, in the network's own memory until recycled.
#[derive(Debug)]
pub struct ReadChunk {
    pub(crate) id: u16,
    pub(crate) len: u32,
}

/// What happened since the last turn.
#[derive(Debug)]
pub enum Event {
    /// A client connected to this core's listener.
    Accepted(Socket),
    /// The listener failed (errno) and accepts nothing until asked to listen again.
    AcceptFailed(i32),
    /// Another core gave us this socket.
    HandedOver(Socket),
    /// Bytes arrived on a connection. Recycle the chunk.
    Received(ConnSlot, ReadChunk),
    /// The other end sent all it will; nothing more will be received.
    ReceiveEnded(ConnSlot, ReceiveEnd),
    /// `bytes` more went out; `idle` when nothing is left under way.
    Sent {
        /// The connection.
        slot: ConnSlot,
        /// Bytes taken by the kernel.
        bytes: usize,
        /// Whether the connection has no send under way now.
        idle: bool,
    },
    /// A send failed with this errno; what was queued is gone.
    SendFailed(ConnSlot, i32),
    /// The socket is closed and the slot is free. Always the last event of a slot.
    Closed(ConnSlot),
    /// Another core rang: look into the rings.
    Doorbell,
    /// The control thread rang: look into the command queue.
    Control,
    /// Operations of the disk have completed: see [`crate::Disk::take_completed`].
    Disk,
}

/// Why nothing more will be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveEnd {
    /// An orderly end of stream.
    Eof,
    /// A socket error (errno).
    Error(i32),
}

/// How long a turn may last when nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Look and come back.
    Poll,
    /// Sleep until something happens.
    Forever,
    /// Sleep until something happens, at most this many nanoseconds.
    AtMost(u64),
}

/// The network of one core.
pub trait Network: ring::Doorbell {
    /// Submits what was asked for, waits as told, and appends what happened to `events`.
    fn turn(&mut self, wait: Wait, events: &mut Vec<Event>);

    /// Accepts connections from now on (again).
    fn listen(&mut self);

    /// Stops accepting.
    fn stop_listening(&mut self);

    /// Gives a socket the slot under which its events come, and starts to receive.
    /// Returns the other end's address, or `None` when the socket is already dead; then it is
    /// discarded and the slot is still free.
    fn adopt(&mut self, socket: Socket, slot: ConnSlot) -> Option<SocketAddr>;

    /// Gives a socket to another core.
    fn hand_over(&mut self, socket: Socket, to: ShardId);

    /// Closes a socket that never got a slot.
    fn discard(&mut self, socket: Socket);

    /// The bytes of a chunk.
    fn bytes(&self, chunk: &ReadChunk) -> &[u8];

    /// Gives a chunk back.
    fn recycle(&mut self, chunk: ReadChunk);

    /// Stops receiving; what is already on its way still comes.
    fn pause_receive(&mut self, slot: ConnSlot);

    /// Receives again.
    fn resume_receive(&mut self, slot: ConnSlot);

    /// Starts to send all segments, in order. Only when no send of this slot is under way.
    fn send(&mut self, slot: ConnSlot, segments: &mut VecDeque<Segment>);

    /// Tells the other end that nothing more will come, and keeps receiving until it ends too.
    fn finish_sending(&mut self, slot: ConnSlot);

    /// Closes the socket, dropping what is under way. [`Event::Closed`] follows.
    fn close(&mut self, slot: ConnSlot);
}
