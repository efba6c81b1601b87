//! What the generator can do alone: sending to a sink and counting from a source, both in this
//! process, over loopback TCP, with the very code that loads a server.
//!
//! The sink reads and throws away; the source writes prebuilt MSG frames. Each runs on a thread of
//! its own, and the figure counts for one thread of the generator.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::cores::Placement;
use crate::error::{BenchError, Role};
use crate::payload;
use crate::publish::Cartridge;
use crate::session::{Inbox, Turn};
use crate::stage::{Counter, Phase, Stage};
use crate::subscribe::{Check, Subscriber};

/// Sends and receives alone.
#[derive(Debug, Clone)]
pub struct LimitsPlan {
    /// Payload bytes.
    pub size: usize,
    /// Length of each of the two parts.
    pub time: Duration,
}

/// Messages a second of one thread.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Sent to a sink.
    pub sent_per_s: f64,
    /// Received from a source and counted.
    pub received_per_s: f64,
    /// Counted from memory: the scanner alone, no socket.
    pub scanned_per_s: f64,
}

impl LimitsPlan {
    /// Measures the three limits one after another.
    ///
    /// # Errors
    /// When loopback sockets fail.
    pub fn run(&self, placement: &Placement) -> Result<Limits, BenchError> {
        Ok(Limits {
            sent_per_s: self.send(placement)?,
            received_per_s: self.receive(placement)?,
            scanned_per_s: self.scan()?,
        })
    }

    fn send(&self, placement: &Placement) -> Result<f64, BenchError> {
        let (mut ours, mut theirs) = pair()?;
        let sink = thread::spawn(move || {
            let mut buffer = vec![0; 1024 * 1024];
            while matches!(theirs.read(&mut buffer), Ok(read) if read > 0) {}
        });
        placement.pin_load(0)?;
        let cartridge = Cartridge::new(&["bench".to_string()], self.size, None)?;
        let count = cartridge.len();
        let begun = Instant::now();
        let mut sent = 0;
        while begun.elapsed() < self.time {
            ours.write_all(cartridge.slice(0, count))?;
            sent += count;
        }
        drop(ours);
        // The clock stops when the sink has read everything.
        if let Err(panic) = sink.join() {
            std::panic::resume_unwind(panic);
        }
        Ok(sent as f64 / begun.elapsed().as_secs_f64())
    }

    fn receive(&self, placement: &Placement) -> Result<f64, BenchError> {
        let (ours, mut theirs) = pair()?;
        let frames = self.frames();
        let time = self.time;
        let source = thread::spawn(move || {
            let begun = Instant::now();
            while begun.elapsed() < time && theirs.write_all(&frames).is_ok() {}
        });
        placement.pin_load(0)?;
        let stage = Stage::new();
        let counter = Arc::new(Counter::default());
        let inbox = Inbox::new(Channel::Plain(ours), Role::Subscriber, self.size + 64);
        let mut subscriber =
            Subscriber { inbox, counter: Arc::clone(&counter), check: Check::Count };
        let begun = Instant::now();
        while subscriber.turn(&stage)? == Turn::Read {}
        let seconds = begun.elapsed().as_secs_f64();
        stage.open(Phase::Closed);
        if let Err(panic) = source.join() {
            std::panic::resume_unwind(panic);
        }
        Ok(counter.messages() as f64 / seconds)
    }

    fn scan(&self) -> Result<f64, BenchError> {
        struct Sum(u64);
        impl crate::wire::Frames for Sum {
            fn frame(&mut self, frame: crate::wire::Frame<'_>) {
                self.0 += frame.body.len() as u64 / frame.body.len().max(1) as u64;
            }
            fn control(&mut self, _: crate::wire::Control<'_>) {}
        }
        let frames = self.frames();
        let mut scanner = crate::wire::FrameScanner::default();
        let mut sum = Sum(0);
        let begun = Instant::now();
        while begun.elapsed() < self.time / 4 {
            let scanned = scanner.scan(std::hint::black_box(&frames), &mut sum);
            scanned.map_err(|source| BenchError::Wire { role: Role::Subscriber, source })?;
        }
        Ok(sum.0 as f64 / begun.elapsed().as_secs_f64())
    }

    /// Whole MSG frames, 256 KiB of them.
    fn frames(&self) -> Vec<u8> {
        let mut frame = format!("MSG bench 1 {}\r\n", self.size).into_bytes();
        frame.extend_from_slice(&payload::plain(self.size));
        frame.extend_from_slice(b"\r\n");
        frame.repeat((256 * 1024 / frame.len()).max(1))
    }
}

fn pair() -> Result<(TcpStream, TcpStream), BenchError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (theirs, _) = listener.accept()?;
    ours.set_nodelay(true)?;
    Ok((ours, theirs))
}
