//! Connections: how many a second, what an idle one costs in server memory, and how soon a started
//! server greets.

use std::io::Read;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::cores::Placement;
use crate::error::{BenchError, Role};
use crate::interrupt;
use crate::measure::{Measure, Sample, Tally, latency_histogram};
use crate::process::ProcessProbe;
use crate::server::{Origin, Server, ServerSpec, free_port};
use crate::session::{Endpoint, Session};
use crate::traffic::allow_files;

/// Memory is read again and again until it has not grown for this long.
const SETTLED: Duration = Duration::from_millis(300);
const SETTLE_TICK: Duration = Duration::from_millis(20);
const SETTLE_WAIT: Duration = Duration::from_secs(5);
/// Between two attempts to reach a starting server; part of the figure's error.
const START_TICK: Duration = Duration::from_micros(100);
const START_WAIT: Duration = Duration::from_secs(120);

/// Opens `connections`, logs each in, leaves them idle and reads the server's memory.
#[derive(Debug, Clone)]
pub struct ConnectPlan {
    /// Connections in all.
    pub connections: usize,
    /// Threads that open them.
    pub threads: usize,
}

impl ConnectPlan {
    /// Runs it once.
    ///
    /// # Errors
    /// Any connection that fails ends it.
    pub fn run(&self, server: &mut Server, placement: &Placement) -> Result<Sample, BenchError> {
        let probe = server.probe();
        let memory_before = probe.map(settled_bytes).transpose()?;
        let cpu_before = probe.map(|probe| probe.cpu()).transpose()?;
        let begun = Instant::now();
        let sessions = self.open_all(&server.endpoint, placement);
        let seconds = begun.elapsed().as_secs_f64();
        match sessions {
            Ok(_) => server.check_alive()?,
            Err(_) => server.check_dying()?,
        }
        let sessions = sessions?;
        let opened = sessions.len() as f64;
        let mut sample = Sample { seconds, ..Sample::default() };
        sample.tally.sent = sessions.len() as u64;
        sample.put(Measure::ConnectRate, opened / seconds);
        if let (Some(probe), Some(before)) = (probe, cpu_before) {
            let used = probe.cpu()?.since(&before).as_secs_f64();
            sample.put(Measure::CpuPerThousandConnects, used * 1e3 / opened);
        }
        if let (Some(probe), Some(before)) = (probe, memory_before) {
            let after = settled_bytes(probe)? as f64;
            sample.put(Measure::ResidentBefore, before as f64);
            sample.put(Measure::Resident, after);
            let each = (after - before as f64) / opened;
            sample.put(Measure::ResidentPerConnection, each.max(0.0));
        }
        drop(sessions);
        Ok(sample)
    }

    /// Opens all connections, in the order in which the threads get to it.
    ///
    /// # Errors
    /// Any connection that fails ends it.
    pub fn open_all(
        &self,
        endpoint: &Endpoint,
        placement: &Placement,
    ) -> Result<Vec<Session>, BenchError> {
        allow_files(self.connections)?;
        let share = self.connections.div_ceil(self.threads);
        thread::scope(|scope| {
            let part = |index: usize| {
                placement.pin_load(index)?;
                let mine = share.min(self.connections.saturating_sub(index * share));
                let mut sessions = Vec::with_capacity(mine);
                for _ in 0..mine {
                    interrupt::check()?;
                    sessions.push(Session::open(endpoint, Role::Idler)?);
                }
                Ok::<_, BenchError>(sessions)
            };
            let threads: Vec<_> =
                (0..self.threads).map(|index| scope.spawn(move || part(index))).collect();
            let mut all = Vec::with_capacity(self.connections);
            for thread in threads {
                match thread.join() {
                    Ok(sessions) => all.extend(sessions?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(all)
        })
    }
}

/// Resident memory once it has stopped growing.
pub fn settled_bytes(probe: ProcessProbe) -> Result<u64, BenchError> {
    let begun = Instant::now();
    let mut largest = (probe.resident_bytes()?, Instant::now());
    while largest.1.elapsed() < SETTLED && begun.elapsed() < SETTLE_WAIT {
        interrupt::check()?;
        thread::sleep(SETTLE_TICK);
        let bytes = probe.resident_bytes()?;
        if bytes > largest.0 {
            largest = (bytes, Instant::now());
        }
    }
    Ok(probe.resident_bytes()?)
}

/// Starts a program several times and times its first greeting.
#[derive(Debug, Clone)]
pub struct StartPlan {
    /// How many times.
    pub starts: usize,
}

impl StartPlan {
    /// Runs it once.
    ///
    /// # Errors
    /// [`BenchError::Usage`] for a server that runs already; otherwise what kept it from starting.
    pub fn run(&self, spec: &ServerSpec, placement: &Placement) -> Result<Sample, BenchError> {
        let Origin::Program { path, flags } = &spec.origin else {
            return Err(BenchError::Usage(format!(
                "{}: this mode starts its own server: use --spawn",
                spec.label
            )));
        };
        let begun = Instant::now();
        let mut times = latency_histogram();
        let mut resident = 0;
        for _ in 0..self.starts {
            interrupt::check()?;
            let port = free_port()?.to_string();
            let mut flags = flags.clone();
            flags.extend(["-a", "127.0.0.1", "-p", &port].map(str::to_string));
            let origin = Origin::Program { path: path.clone(), flags };
            let spec = ServerSpec { origin, ..spec.clone() };
            let started = Instant::now();
            let mut server = Server::launch(&spec, placement)?;
            first_byte(&format!("127.0.0.1:{port}"), &mut server)?;
            times.saturating_record(started.elapsed().as_nanos() as u64);
            if times.len() == self.starts as u64
                && let Some(probe) = server.probe()
            {
                resident = settled_bytes(probe)?;
            }
        }
        let mut sample = Sample { seconds: begun.elapsed().as_secs_f64(), ..Sample::default() };
        sample.tally = Tally { sent: self.starts as u64, received: 0, expected: 0 };
        sample.put(Measure::StartToInfo, times.value_at_quantile(0.5) as f64);
        sample.put(Measure::Max, times.max() as f64);
        sample.put(Measure::Resident, resident as f64);
        Ok(sample)
    }
}

/// Waits until the server has sent the first byte of INFO.
fn first_byte(address: &str, server: &mut Server) -> Result<(), BenchError> {
    let begun = Instant::now();
    loop {
        interrupt::check()?;
        let greeted = TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(START_WAIT))?;
            stream.read_exact(&mut [0])
        });
        match greeted {
            Ok(()) => return Ok(()),
            Err(source) if begun.elapsed() > START_WAIT => {
                return Err(BenchError::Unreachable { address: address.to_string(), source });
            }
            Err(_) => server.check_alive()?,
        }
        thread::sleep(START_TICK);
    }
}
