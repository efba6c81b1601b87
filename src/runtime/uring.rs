//! Hot path: one io_uring per core. Before it: the kernel; after it: `connection::reading`, and on
//! the way out from `shard::Outbox` to the kernel.
//!
//! Multishot accept and receive into provided buffers, one send a connection at a time, `MSG_RING`
//! as the doorbell and to hand sockets over. One `io_uring_enter` a turn submits all that was
//! queued, runs the deferred completions, and is the one place where the core sleeps. Glommio's
//! own ring descriptors are watched, so a glommio task that becomes ready ends the sleep.

mod disk;
mod read_buffers;
mod sockets;
mod tuning;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::{ConnSlot, ShardId};
use buffer::Segment;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{Fd, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use self::disk::DiskState;
use self::read_buffers::ReadBuffers;
use self::sockets::{Receive, SendMessage, SocketState, Wanted};
use crate::host::HostError;
use crate::network::{Event, Network, ReadChunk, ReceiveEnd, Socket, Wait};
use crate::socket_calls::{close_descriptor, peer_address, set_no_delay, shut_down};

pub use self::tuning::{Gather, TuningRefused};

/// Submissions that fit between two enters; more are submitted early.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit; the kernel keeps what does not fit until there is room.
const COMPLETIONS: u32 = 8192;
/// `IORING_ENTER_GETEVENTS`: run deferred completions.
const GET_EVENTS: u32 = 1;

/// What a completion is about: the top byte of its user data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum About {
    Nothing = 0,
    Receive,
    Send,
    Accept,
    Doorbell,
    HandedOver,
    HandOverFailed,
    RingFailed,
    Control,
    Executor,
    Alarm,
    Disk,
}

impl About {
    const ALL: [About; 12] = [
        About::Nothing,
        About::Receive,
        About::Send,
        About::Accept,
        About::Doorbell,
        About::HandedOver,
        About::HandOverFailed,
        About::RingFailed,
        About::Control,
        About::Executor,
        About::Alarm,
        About::Disk,
    ];

    fn with(self, value: u32) -> u64 {
        (self as u64) << 56 | u64::from(value)
    }

    fn of(user_data: u64) -> (About, u32) {
        let about = About::ALL.get((user_data >> 56) as usize).copied();
        (about.unwrap_or(About::Nothing), user_data as u32)
    }
}

/// Rings a core from an ordinary thread.
#[derive(Clone, Debug)]
pub struct ControlBell {
    eventfd: Arc<OwnedFd>,
}

impl ControlBell {
    /// A bell that nobody listens to yet.
    ///
    /// # Errors
    /// What the system says when it has no descriptor left.
    pub fn new() -> io::Result<ControlBell> {
        // SAFETY: a plain system call; the descriptor it returns is owned by nobody else.
        let eventfd = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(ControlBell { eventfd: Arc::new(eventfd) })
    }

    /// Makes the core look into its command queue.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: writes eight bytes from a live array to a descriptor that `self` keeps open.
        unsafe { libc::write(self.eventfd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}

/// How a core's ring is built.
#[derive(Clone, Copy, Debug)]
pub struct UringOptions {
    /// Size of a read chunk, bytes.
    pub read_chunk_bytes: usize,
    /// Read chunks of this core, a power of two.
    pub read_chunks: u16,
    /// Disk operations that the kernel has at a time, at least one. The next ones wait.
    pub disk_operations_max: usize,
}

/// The network of one core over its own io_uring. Made and used on that core's thread only.
pub struct Uring {
    ring: IoUring,
    buffers: ReadBuffers,
    sockets: Vec<Option<SocketState>>,
    /// Sockets to arm a receive for at the next turn.
    to_arm: Vec<ConnSlot>,
    /// What happened in a command, to be told at the next turn.
    ready: Vec<Event>,
    listener: Option<OwnedFd>,
    accepting: bool,
    peers: Vec<RawFd>,
    control: ControlBell,
    executor_fds: Vec<RawFd>,
    gather: Option<Gather>,
    #[expect(clippy::vec_box, reason = "the kernel reads them where they stand")]
    spare_messages: Vec<Box<SendMessage>>,
    alarm: Option<Alarm>,
    alarms_set: u32,
    disk: DiskState,
}

/// The timer that ends a sleep at the latest.
struct Alarm {
    at: Instant,
    number: u32,
    /// Read by the kernel when the timer is submitted, which is before the next one is set.
    _length: Box<Timespec>,
}

impl Uring {
    /// Builds the ring. `executor_fds` are the descriptors to watch while asleep.
    ///
    /// # Errors
    /// [`HostError`], with the remedy, when the kernel does not give us such a ring.
    pub fn new(options: UringOptions, executor_fds: Vec<RawFd>) -> Result<Uring, HostError> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(COMPLETIONS)
            .build(SUBMISSIONS)
            .map_err(HostError::ring)?;
        let buffers =
            ReadBuffers::register(&ring.submitter(), options.read_chunks, options.read_chunk_bytes)
                .map_err(HostError::ring)?;
        let control = ControlBell::new().map_err(HostError::ring)?;
        let mut uring = Uring {
            ring,
            buffers,
            sockets: Vec::new(),
            to_arm: Vec::new(),
            ready: Vec::new(),
            listener: None,
            accepting: false,
            peers: Vec::new(),
            control,
            executor_fds,
            gather: None,
            spare_messages: Vec::new(),
            alarm: None,
            alarms_set: 0,
            disk: DiskState::new(options.disk_operations_max),
        };
        uring.watch(uring.control.eventfd.as_raw_fd(), About::Control.with(0));
        for index in 0..uring.executor_fds.len() {
            uring.watch(uring.executor_fds[index], About::Executor.with(index as u32));
        }
        Ok(uring)
    }

    /// The descriptor by which other cores ring this one.
    pub fn descriptor(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    /// By which the control thread rings this core.
    pub fn control_bell(&self) -> ControlBell {
        self.control.clone()
    }

    /// Sets the other cores' ring descriptors, by shard; this core's own place is not used.
    pub fn connect(&mut self, peers: Vec<RawFd>) {
        self.peers = peers;
    }

    /// Sets the listening socket; [`Network::listen`] starts to accept.
    pub fn set_listener(&mut self, listener: OwnedFd) {
        self.listener = Some(listener);
    }

    fn watch(&mut self, fd: RawFd, user_data: u64) {
        let poll = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build();
        self.push(poll.user_data(user_data));
    }

    fn push(&mut self, entry: Entry) {
        loop {
            // SAFETY: what the entry points at stands until its completion: sockets, segments and
            // send messages live in `self.sockets`, paths and blocks in `self.disk`, and both
            // outlive the ring's use of them.
            let pushed = unsafe { self.ring.submission().push(&entry) };
            if pushed.is_ok() {
                return;
            }
            self.submit_early();
        }
    }

    fn submit_early(&mut self) {
        match self.ring.submit() {
            Ok(_) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => panic!("io_uring_enter failed: {error}"),
        }
    }

    fn enter(&mut self, wait: Wait) {
        let queued = self.ring.submission().len() as u32;
        let entered = match wait {
            Wait::Poll => {
                if queued == 0 && !self.has_deferred_work() {
                    return;
                }
                // SAFETY: no argument is passed; the flag asks to run deferred completions.
                unsafe {
                    self.ring.submitter().enter::<libc::sigset_t>(queued, 0, GET_EVENTS, None)
                }
            }
            Wait::Forever => self.sleep(),
            Wait::AtMost(ns) => {
                self.set_alarm(Duration::from_nanos(ns));
                self.sleep()
            }
        };
        match entered {
            Ok(_) => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => panic!("io_uring_enter failed: {error}"),
        }
    }

    /// Sees to it that a completion comes within `within`. An alarm that is set already and
    /// comes in time serves: to set a timer for each sleep costs a virtual machine two exits.
    fn set_alarm(&mut self, within: Duration) {
        let at = Instant::now() + within;
        if self.alarm.as_ref().is_some_and(|alarm| alarm.at <= at) {
            return;
        }
        self.alarms_set = self.alarms_set.wrapping_add(1);
        let number = self.alarms_set;
        let length = Box::new(Timespec::from(within));
        let timeout = opcode::Timeout::new(&raw const *length).build();
        self.alarm = Some(Alarm { at, number, _length: length });
        self.push(timeout.user_data(About::Alarm.with(number)));
    }

    fn has_deferred_work(&mut self) -> bool {
        let submission = self.ring.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    fn socket(&mut self, slot: ConnSlot) -> Option<&mut SocketState> {
        self.sockets.get_mut(slot.index())?.as_mut()
    }

    fn arm_receive(&mut self, slot: ConnSlot) {
        let Some(socket) = self.socket(slot) else { return };
        if socket.closing || socket.receive != Receive::Off || socket.wanted != Wanted::Bytes {
            return;
        }
        socket.receive = Receive::Armed;
        let fd = Fd(socket.fd);
        let receive = opcode::RecvMulti::new(fd, read_buffers::GROUP).build();
        self.push(receive.user_data(About::Receive.with(slot.0)));
    }

    fn submit_send(&mut self, slot: ConnSlot) {
        let spare = self.spare_messages.pop();
        let Some(socket) = self.socket(slot) else { return };
        socket.send_under_way = true;
        let fd = Fd(socket.fd);
        let entry = if socket.sending.len() == 1 {
            let unsent = socket.sending[0].unsent();
            opcode::Send::new(fd, unsent.as_ptr(), unsent.len() as u32)
                .flags(libc::MSG_NOSIGNAL)
                .build()
        } else {
            let message = SendMessage::over(&socket.sending, spare);
            let header = message.header();
            socket.message = Some(message);
            opcode::SendMsg::new(fd, header).flags(libc::MSG_NOSIGNAL as u32).build()
        };
        self.push(entry.user_data(About::Send.with(slot.0)));
    }

    fn release_if_quiet(&mut self, slot: ConnSlot) {
        let Some(place) = self.sockets.get_mut(slot.index()) else { return };
        if !place.as_ref().is_some_and(|socket| socket.closing && socket.is_quiet()) {
            return;
        }
        if let Some(socket) = place.take() {
            close_descriptor(socket.fd);
            self.ready.push(Event::Closed(slot));
        }
    }

    fn completed(&mut self, completion: &cqueue::Entry, events: &mut Vec<Event>) {
        let (about, value) = About::of(completion.user_data());
        let result = completion.result();
        let more = cqueue::more(completion.flags());
        match about {
            About::Receive => self.received(ConnSlot(value), completion, events),
            About::Send => self.sent(ConnSlot(value), result, events),
            About::Accept => self.accepted(result, more, events),
            About::Doorbell => events.push(Event::Doorbell),
            About::HandedOver => events.push(Event::HandedOver(Socket { fd: value as i32 })),
            About::HandOverFailed => self.discard(Socket { fd: value as i32 }),
            About::RingFailed => ring::Doorbell::ring(self, ShardId(value as u16)),
            About::Control => {
                self.drain_control_bell();
                if !more {
                    self.watch(self.control.eventfd.as_raw_fd(), completion.user_data());
                }
                events.push(Event::Control);
            }
            About::Executor if !more => {
                self.watch(self.executor_fds[value as usize], completion.user_data());
            }
            About::Alarm => {
                if self.alarm.as_ref().is_some_and(|alarm| alarm.number == value) {
                    self.alarm = None;
                }
            }
            About::Disk => self.disk_completed(value, result, events),
            About::Executor | About::Nothing => {}
        }
    }

    fn received(&mut self, slot: ConnSlot, completion: &cqueue::Entry, events: &mut Vec<Event>) {
        let result = completion.result();
        let buffer = cqueue::buffer_select(completion.flags());
        let more = cqueue::more(completion.flags());
        let Some(socket) = self.sockets.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        if !more {
            socket.receive = Receive::Off;
        }
        match (result, buffer) {
            (1.., Some(id)) if !socket.closing => {
                events.push(Event::Received(slot, ReadChunk { id, len: result as u32 }));
            }
            (_, Some(id)) => self.buffers.recycle(id),
            (_, None) => {}
        }
        if socket.closing {
            self.release_if_quiet(slot);
            return;
        }
        let end = match -result {
            0 => Some(ReceiveEnd::Eof),
            ..0 | libc::ENOBUFS | libc::ECANCELED | libc::EINTR | libc::EAGAIN => None,
            errno => Some(ReceiveEnd::Error(errno)),
        };
        if let Some(end) = end {
            socket.wanted = Wanted::Ended;
            events.push(Event::ReceiveEnded(slot, end));
        } else if !more {
            self.to_arm.push(slot);
        }
    }

    fn sent(&mut self, slot: ConnSlot, result: i32, events: &mut Vec<Event>) {
        let Some(socket) = self.sockets.get_mut(slot.index()).and_then(Option::as_mut) else {
            return;
        };
        socket.send_under_way = false;
        if let Some(message) = socket.message.take() {
            self.spare_messages.push(message);
        }
        if result < 0 && ![libc::EAGAIN, libc::EINTR].contains(&-result) || socket.closing {
            socket.sending.clear();
            if !socket.closing {
                events.push(Event::SendFailed(slot, -result));
            }
            self.release_if_quiet(slot);
            return;
        }
        let bytes = result.max(0) as usize;
        socket.sent(bytes);
        let idle = socket.sending.is_empty();
        events.push(Event::Sent { slot, bytes, idle });
        if !idle {
            self.submit_send(slot);
        }
    }

    fn accepted(&mut self, result: i32, more: bool, events: &mut Vec<Event>) {
        if !more {
            self.accepting = false;
        }
        match result {
            0.. if self.listener.is_some() => events.push(Event::Accepted(Socket { fd: result })),
            0.. => close_descriptor(result),
            _ if -result == libc::ECANCELED => {}
            _ => {
                events.push(Event::AcceptFailed(-result));
                return;
            }
        }
        if !more {
            self.listen();
        }
    }

    fn drain_control_bell(&self) {
        let mut count = [0u8; 8];
        let fd = self.control.eventfd.as_raw_fd();
        // SAFETY: reads eight bytes into a live array; the descriptor does not block.
        unsafe { libc::read(fd, count.as_mut_ptr().cast(), count.len()) };
    }
}

impl Network for Uring {
    fn turn(&mut self, wait: Wait, events: &mut Vec<Event>) {
        while let Some(slot) = self.to_arm.pop() {
            self.arm_receive(slot);
        }
        self.enter(if self.ready.is_empty() { wait } else { Wait::Poll });
        events.append(&mut self.ready);
        while let Some(completion) = self.next_completion() {
            self.completed(&completion, events);
        }
    }

    fn listen(&mut self) {
        let Some(listener) = &self.listener else { return };
        if !std::mem::replace(&mut self.accepting, true) {
            let fd = Fd(listener.as_raw_fd());
            let accept = opcode::AcceptMulti::new(fd).flags(libc::SOCK_CLOEXEC).build();
            self.push(accept.user_data(About::Accept.with(0)));
        }
    }

    fn stop_listening(&mut self) {
        if self.listener.is_some() {
            let cancel = opcode::AsyncCancel::new(About::Accept.with(0)).build();
            self.push(cancel.user_data(About::Nothing.with(0)));
            self.submit_early();
            self.listener = None;
        }
    }

    fn adopt(&mut self, socket: Socket, slot: ConnSlot) -> Option<SocketAddr> {
        let Some(peer) = peer_address(socket.fd) else {
            self.discard(socket);
            return None;
        };
        set_no_delay(socket.fd);
        if self.sockets.len() <= slot.index() {
            self.sockets.resize_with(slot.index() + 1, || None);
        }
        let place = &mut self.sockets[slot.index()];
        assert!(place.is_none(), "the slot of an open socket was given away");
        *place = Some(SocketState::new(socket.fd));
        self.arm_receive(slot);
        Some(peer)
    }

    fn hand_over(&mut self, socket: Socket, to: ShardId) {
        let peer = Fd(self.peers[to.index()]);
        let user_data = About::HandedOver.with(socket.fd as u32);
        let entry = opcode::MsgRingData::new(peer, 0, user_data, None).build();
        let failed = About::HandOverFailed.with(socket.fd as u32);
        self.push(entry.flags(Flags::SKIP_SUCCESS).user_data(failed));
    }

    fn discard(&mut self, socket: Socket) {
        close_descriptor(socket.fd);
    }

    #[inline]
    fn bytes(&self, chunk: &ReadChunk) -> &[u8] {
        self.buffers.bytes(chunk.id, chunk.len)
    }

    #[inline]
    fn recycle(&mut self, chunk: ReadChunk) {
        self.buffers.recycle(chunk.id);
    }

    fn pause_receive(&mut self, slot: ConnSlot) {
        let Some(socket) = self.socket(slot) else { return };
        if socket.wanted != Wanted::Bytes {
            return;
        }
        socket.wanted = Wanted::Pause;
        if socket.receive == Receive::Armed {
            socket.receive = Receive::Cancelling;
            let cancel = opcode::AsyncCancel::new(About::Receive.with(slot.0)).build();
            self.push(cancel.user_data(About::Nothing.with(0)));
        }
    }

    fn resume_receive(&mut self, slot: ConnSlot) {
        let Some(socket) = self.socket(slot) else { return };
        if socket.wanted == Wanted::Pause {
            socket.wanted = Wanted::Bytes;
            self.to_arm.push(slot);
        }
    }

    fn send(&mut self, slot: ConnSlot, segments: &mut VecDeque<Segment>) {
        let Some(socket) = self.socket(slot) else {
            segments.clear();
            return;
        };
        assert!(socket.sending.is_empty(), "one send a connection at a time");
        std::mem::swap(&mut socket.sending, segments);
        if !socket.sending.is_empty() {
            self.submit_send(slot);
        }
    }

    fn finish_sending(&mut self, slot: ConnSlot) {
        if let Some(socket) = self.socket(slot) {
            shut_down(socket.fd, libc::SHUT_WR);
        }
    }

    fn close(&mut self, slot: ConnSlot) {
        let Some(socket) = self.socket(slot) else { return };
        if !std::mem::replace(&mut socket.closing, true) {
            // Ends the receive and the send under way; their completions then release the slot.
            shut_down(socket.fd, libc::SHUT_RDWR);
            self.release_if_quiet(slot);
        }
    }
}

impl Uring {
    fn next_completion(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }
}

impl ring::Doorbell for Uring {
    fn ring(&mut self, peer: ShardId) {
        let fd = Fd(self.peers[peer.index()]);
        let entry = opcode::MsgRingData::new(fd, 0, About::Doorbell.with(0), None).build();
        let failed = About::RingFailed.with(u32::from(peer.0));
        self.push(entry.flags(Flags::SKIP_SUCCESS).user_data(failed));
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        self.finish_disk();
        for socket in self.sockets.iter().flatten() {
            close_descriptor(socket.fd);
        }
    }
}

/// Errors after which the next turn simply tries again.
fn is_transient(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY))
}
