//! The pid file and the ports file (spec/cli-and-config.md §4).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use config::Options;

/// Writes the process id, without a line end, readable by its owner only.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pid(path: &Path) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    write!(file, "{}", std::process::id())
}

/// Writes the ports file into `directory`.
///
/// # Errors
/// In words, when it cannot be written.
pub fn write_ports(
    directory: &Path,
    options: &Options,
    clients: SocketAddr,
    monitoring: Option<SocketAddr>,
) -> Result<PortsFile, String> {
    let clients_scheme = if options.is_tls_required() { "tls" } else { "nats" };
    let monitoring_scheme = if options.https_port.is_some() { "https" } else { "http" };
    let clients = urls(clients_scheme, clients);
    let monitoring = monitoring.map(|address| urls(monitoring_scheme, address));
    let failed = |error| format!("Could not write ports file in {}: {error}", directory.display());
    PortsFile::write(directory, &clients, monitoring.as_deref()).map_err(failed)
}

/// The ports file, removed when dropped.
pub struct PortsFile {
    path: PathBuf,
}

impl PortsFile {
    /// Writes `<program>_<pid>.ports` into `directory`: the URLs of both listeners as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn write(directory: &Path, clients: &str, monitoring: Option<&str>) -> io::Result<PortsFile> {
        let program = std::env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
        let path = directory.join(format!("{program}_{}.ports", std::process::id()));
        let mut ports = format!("{{\"nats\":[{clients}]");
        if let Some(monitoring) = monitoring {
            ports.push_str(&format!(",\"monitoring\":[{monitoring}]"));
        }
        ports.push('}');
        // Whoever waits for the file must find it whole.
        let unfinished = path.with_extension("ports.new");
        File::create(&unfinished)?.write_all(ports.as_bytes())?;
        std::fs::rename(&unfinished, &path)?;
        Ok(PortsFile { path })
    }
}

impl Drop for PortsFile {
    fn drop(&mut self) {
        // A file that somebody else has removed is gone all the same.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// `"nats://host:port"` for each address under which the listener is reached.
fn urls(scheme: &str, listener: SocketAddr) -> String {
    let hosts = match listener.ip().is_unspecified() {
        true => interface_addresses(listener.ip()),
        false => vec![listener.ip()],
    };
    let port = listener.port();
    let urls: Vec<String> = hosts
        .into_iter()
        .map(|host| format!("\"{scheme}://{}\"", SocketAddr::new(host, port)))
        .collect();
    urls.join(",")
}

/// The addresses of this host's interfaces, of the family of `unspecified`.
fn interface_addresses(unspecified: IpAddr) -> Vec<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let wanted = |ip: &IpAddr| unspecified.is_ipv6() || ip.is_ipv4();
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => true,
        // A link-local address is of no use without its interface.
        IpAddr::V6(ip) => !ip.is_unicast_link_local(),
    };
    all.into_iter().map(|interface| interface.ip()).filter(wanted).filter(usable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_interface_for_an_unspecified_address() {
        let listed = urls("nats", "0.0.0.0:4222".parse().unwrap());
        assert!(listed.contains("\"nats://127.0.0.1:4222\""), "{listed}");
        assert_eq!(urls("http", "[::1]:80".parse().unwrap()), "\"http://[::1]:80\"");
    }
}
