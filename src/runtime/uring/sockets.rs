//! What the ring knows of each socket: its descriptor, whether a receive is armed, and the send
//! under way.
//!
//! ```text
//! receive:  Off ──arm──▶ Armed ──pause──▶ Cancelling ──completion──▶ Off
//!            ▲             └──────end of stream, error, no buffers────┘
//! close:    a closing socket is released when neither a receive nor a send is under way
//! ```

use std::collections::VecDeque;

use buffer::Segment;

/// Segments in one send. More wait for the next.
const IOVECS_MAX: usize = 32;

/// Whether the kernel still owes us a receive completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receive {
    /// None is armed.
    Off,
    /// A multishot receive is armed.
    Armed,
    /// It was asked to end and has not said so yet.
    Cancelling,
}

/// What the core wants of receiving; `Receive` is what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Bytes, please.
    Bytes,
    /// Nothing for now.
    Pause,
    /// The stream has ended; never again.
    Ended,
}

pub struct SocketState {
    pub fd: i32,
    pub receive: Receive,
    pub wanted: Wanted,
    pub closing: bool,
    pub sending: VecDeque<Segment>,
    pub message: Option<Box<SendMessage>>,
    pub send_under_way: bool,
}

impl SocketState {
    pub fn new(fd: i32) -> SocketState {
        SocketState {
            fd,
            receive: Receive::Off,
            wanted: Wanted::Bytes,
            closing: false,
            sending: VecDeque::new(),
            message: None,
            send_under_way: false,
        }
    }

    /// Whether the kernel has nothing of this socket any more.
    pub fn is_quiet(&self) -> bool {
        self.receive == Receive::Off && !self.send_under_way
    }

    /// Drops what `bytes` sent bytes finished. Whole segments go back to their pools.
    pub fn sent(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let front = self.sending.front_mut().expect("more sent than was queued");
            let step = bytes.min(front.unsent().len());
            front.advance(step);
            bytes -= step;
            if front.unsent().is_empty() {
                self.sending.pop_front();
            }
        }
    }
}

/// The message header and the vectors of a send of several segments; the kernel reads them while
/// the send is submitted, so they stand in a box that stays until the send is done.
pub struct SendMessage {
    header: libc::msghdr,
    vectors: [libc::iovec; IOVECS_MAX],
}

impl SendMessage {
    /// Points at the first segments of `sending`, in `spare` when there is one.
    pub fn over(sending: &VecDeque<Segment>, spare: Option<Box<SendMessage>>) -> Box<SendMessage> {
        let mut message = spare.unwrap_or_default();
        let mut count = 0;
        for (vector, segment) in message.vectors.iter_mut().zip(sending) {
            let unsent = segment.unsent();
            vector.iov_base = unsent.as_ptr().cast_mut().cast();
            vector.iov_len = unsent.len();
            count += 1;
        }
        message.header.msg_iov = message.vectors.as_mut_ptr();
        message.header.msg_iovlen = count;
        message
    }

    /// The header's address for the submission.
    pub fn header(&self) -> *const libc::msghdr {
        &raw const self.header
    }
}

impl Default for SendMessage {
    fn default() -> Self {
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        // SAFETY: all-zero is a valid msghdr: null pointers and zero lengths.
        let header = unsafe { std::mem::zeroed() };
        SendMessage { header, vectors: [empty; IOVECS_MAX] }
    }
}
