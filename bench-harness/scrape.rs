//! `scrape`: monitoring endpoints asked in a tight loop while many connections are open.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::beside::{BesidePlan, Disturbance, LiveFlags};
use crate::connect::ConnectPlan;
use crate::cores::Placement;
use crate::error::BenchError;
use crate::plans::{live_flood, positive};
use crate::quantity;
use crate::server::Server;
use crate::session::Session;
use crate::stage::Stage;
use crate::workload::Work;

/// How long one answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Bytes read at a time: some kernels let nobody else on the core while they copy.
const PIECE_BYTES: usize = 64 << 10;

/// What is scraped.
#[derive(Debug, Clone)]
pub struct ScrapePlan {
    /// Connections that are open and idle meanwhile.
    pub idle: usize,
    /// Paths with their queries, in turn.
    pub paths: Vec<String>,
    /// `host:port` of the monitoring of a server that we did not start.
    pub monitor: Option<String>,
}

/// Ready to scrape.
#[derive(Debug)]
pub struct Scrape {
    address: String,
    paths: Vec<String>,
    /// Held open.
    _idle: Vec<Session>,
}

impl ScrapePlan {
    /// Opens the idle connections and asks each path once. Paths that the server does not have are
    /// left out, and named.
    ///
    /// # Errors
    /// No monitoring, or a connection that fails.
    pub fn prepare(&self, server: &Server) -> Result<Scrape, BenchError> {
        let Some(address) = self.monitor.clone().or_else(|| server.monitor.clone()) else {
            let text = "where is monitoring? give --monitor host:port, or start it by --spawn";
            return Err(BenchError::Usage(text.to_string()));
        };
        let connect = ConnectPlan { connections: self.idle, threads: 4 };
        let idle = connect.open_all(&server.endpoint, &Placement::default())?;
        let mut paths = Vec::new();
        for path in &self.paths {
            match get(&address, path)? {
                200 => paths.push(path.clone()),
                status => eprintln!("corewire-bench: {}: {path} answers {status}", server.label),
            }
        }
        if paths.is_empty() {
            return Err(BenchError::Usage(format!("{address} has none of the paths")));
        }
        Ok(Scrape { address, paths, _idle: idle })
    }
}

impl Scrape {
    /// Asks one path after the other until the stage closes.
    ///
    /// # Errors
    /// An answer that is none.
    pub fn go(&self, done: &AtomicU64, stage: &Stage) -> Result<(), BenchError> {
        for path in self.paths.iter().cycle() {
            if stage.is_closed() {
                break;
            }
            let status = get(&self.address, path)?;
            if status != 200 {
                let text = format!("status {status}");
                return Err(BenchError::Refused { subject: path.clone(), text });
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// One request on a connection of its own; reads the whole answer and returns its status.
fn get(address: &str, path: &str) -> Result<u16, BenchError> {
    let failed = |source| BenchError::Unreachable { address: address.to_string(), source };
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut stream = BufReader::with_capacity(PIECE_BYTES, stream);
    let mut line = String::new();
    stream.read_line(&mut line).map_err(failed)?;
    io::copy(&mut stream, &mut io::sink()).map_err(failed)?;
    status(&line).ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
}

/// `HTTP/1.1 200 OK`
fn status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()
}

/// Flags of the `scrape` mode.
#[derive(Debug, Clone, clap::Args)]
pub struct ScrapeFlags {
    #[command(flatten)]
    live: LiveFlags,
    /// Idle connections
    #[arg(long, default_value = "10k", value_parser = quantity::count)]
    conns: u64,
    /// Paths asked in turn, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "/metrics,/connz?subs=1&limit=10000,/varz")]
    paths: Vec<String>,
    /// Monitoring of a server that runs already
    #[arg(long, value_name = "HOST:PORT")]
    monitor: Option<String>,
}

impl ScrapeFlags {
    /// The work that the flags stand for, and its title.
    ///
    /// # Errors
    /// Flags without sense.
    pub fn work(&self) -> Result<(String, Work), BenchError> {
        let (latency, traffic) = self.live.latency()?;
        let pairs = self.live.pairs.pairs;
        let idle = positive("--conns", self.conns as usize)?;
        let title = format!("scrape of {}, {idle} idle, {traffic}", self.paths.join(" "));
        let scrape = ScrapePlan { idle, paths: self.paths.clone(), monitor: self.monitor.clone() };
        let flood = Some(live_flood(self.live.duration, self.live.warmup)?);
        let disturbance = Disturbance::Scrape(scrape);
        Ok((title, Work::Beside(BesidePlan { latency, flood, disturbance, pairs })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_stands_in_the_first_line() {
        assert_eq!(status("HTTP/1.1 200 OK\r\n"), Some(200));
        assert_eq!(status("HTTP/1.0 404 Not Found\r\n"), Some(404));
        assert_eq!(status("INFO {}\r\n"), None);
        assert_eq!(status(""), None);
    }
}
