//! The server under load: one that runs already, or a program that we start and always stop.
//!
//! A spawned server listens on a free port of 127.0.0.1, with its files in a folder of its own.
//! What a work needs of it (streams, a configuration, monitoring) is its [`Outfit`].

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::channel::Trust;
use crate::cores::Placement;
use crate::error::{BenchError, Role};
use crate::process::ProcessProbe;
use crate::program::{Ending, Launch, Program, Scratch};
use crate::session::{Endpoint, Login, Session};

/// A server as named on the command line.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// Column title.
    pub label: String,
    /// Where it is or how to start it.
    pub origin: Origin,
    /// Certificates to trust; `None` speaks plain TCP.
    pub trust: Option<Trust>,
    /// What the work needs of it.
    pub outfit: Outfit,
}

/// What a work needs of a server, beyond what its own flags say. Only a server that we start can be
/// given any of it.
#[derive(Debug, Clone, Default)]
pub struct Outfit {
    /// Whether it keeps streams: `-js -sd`, in its own folder, unless its flags name one.
    pub store: Store,
    /// Text of its configuration file.
    pub config: Option<Arc<str>>,
    /// Whether it serves monitoring: `-m` with a free port.
    pub monitor: Monitor,
    /// Who the load is there; `None` as its flags say.
    pub login: Option<Login>,
}

/// Whether a server keeps streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Store {
    /// No JetStream.
    #[default]
    None,
    /// JetStream with a folder of its own.
    Folder,
}

/// Whether a server serves monitoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Monitor {
    /// No port.
    #[default]
    Off,
    /// A free port.
    On,
}

/// Where a server comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Runs already.
    Running {
        /// Its address.
        endpoint: Endpoint,
        /// Its process, if it is on this machine and its CPU should be measured.
        pid: Option<u32>,
    },
    /// A program to start.
    Program {
        /// Path, or a name to look up in PATH.
        path: PathBuf,
        /// Its flags.
        flags: Vec<String>,
    },
}

impl ServerSpec {
    /// A server that nothing special is wanted of.
    pub fn new(label: String, origin: Origin) -> ServerSpec {
        ServerSpec { label, origin, trust: None, outfit: Outfit::default() }
    }

    /// The same server, ready for a work.
    pub fn fitted(&self, outfit: Outfit) -> ServerSpec {
        ServerSpec { outfit, ..self.clone() }
    }

    /// Reads `[label=]nats://host:port` or `[label=]program [flags…]`.
    ///
    /// # Errors
    /// [`BenchError::Usage`] when nothing is named.
    pub fn parse(text: &str) -> Result<ServerSpec, BenchError> {
        let (label, rest) = match text.split_once('=') {
            Some((label, rest)) if !label.contains([' ', '/', ':']) => (Some(label), rest),
            _ => (None, text),
        };
        let named = |found: &str| label.unwrap_or(found).to_string();
        if rest.contains("://") {
            let endpoint = Endpoint::parse(rest)?;
            let label = named(&endpoint.address);
            return Ok(ServerSpec::new(label, Origin::Running { endpoint, pid: None }));
        }
        let mut words = rest.split_whitespace().map(str::to_string);
        let Some(program) = words.next() else {
            return Err(BenchError::Usage(format!("`{text}` names no server")));
        };
        let path = PathBuf::from(program);
        let label = named(path.file_name().and_then(|name| name.to_str()).unwrap_or("server"));
        Ok(ServerSpec::new(label, Origin::Program { path, flags: words.collect() }))
    }
}

/// A server that accepts connections.
#[derive(Debug)]
pub struct Server {
    /// Column title.
    pub label: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its version, as INFO said; unknown after [`Server::launch`].
    pub version: Option<String>,
    /// `host:port` of its monitoring, if it was asked for.
    pub monitor: Option<String>,
    pid: Option<u32>,
    program: Option<Program>,
}

impl Server {
    /// Starts the program and waits until it says where it listens, or takes the running server as
    /// it is; then logs in once.
    ///
    /// # Errors
    /// Program missing, ended at once, or silent about its port; the message carries its log.
    pub fn start(spec: &ServerSpec, placement: &Placement) -> Result<Server, BenchError> {
        let mut server = Server::launch(spec, placement)?;
        server.greet()?;
        Ok(server)
    }

    /// Starts the program and waits for nothing: its address is not known yet.
    ///
    /// # Errors
    /// Program missing.
    pub fn launch(spec: &ServerSpec, placement: &Placement) -> Result<Server, BenchError> {
        let label = spec.label.clone();
        let (trust, outfit) = (spec.trust.clone(), &spec.outfit);
        let (path, flags) = match &spec.origin {
            Origin::Running { .. } if outfit.config.is_some() => {
                let text = "this mode writes a configuration of its own: use --spawn PROGRAM";
                return Err(BenchError::Usage(text.to_string()));
            }
            Origin::Running { endpoint, pid } => {
                let endpoint = Endpoint { trust, ..endpoint.clone() };
                let (version, monitor, program) = (None, None, None);
                return Ok(Server { label, endpoint, version, monitor, pid: *pid, program });
            }
            Origin::Program { path, flags } => (path.clone(), flags.clone()),
        };
        let failed = |source| BenchError::Spawn { path: path.clone(), source };
        let login = outfit.login.clone().or_else(|| login_of(&flags));
        let scratch = Scratch::new().map_err(failed)?;
        let (flags, monitor) = outfit.dress(flags, &scratch)?;
        let launch = Launch { label: label.clone(), path, flags, placement: placement.clone() };
        let program = Program::start(launch, scratch)?;
        let endpoint = Endpoint { address: String::new(), login, trust };
        let pid = Some(program.id());
        Ok(Server { label, endpoint, version: None, monitor, pid, program: Some(program) })
    }

    fn greet(&mut self) -> Result<(), BenchError> {
        if let Some(program) = &mut self.program {
            self.endpoint.address = program.wait_for_address()?;
        }
        self.version = Some(Session::open(&self.endpoint, Role::Idler)?.greeting.version);
        Ok(())
    }

    /// Reads the server's CPU time and memory; `None` for a server whose process is not known.
    pub fn probe(&self) -> Option<ProcessProbe> {
        self.pid.map(ProcessProbe::new)
    }

    /// Fails when a spawned server has ended by itself.
    pub fn check_alive(&mut self) -> Result<(), BenchError> {
        self.program.as_mut().map_or(Ok(()), Program::check_alive)
    }

    /// Fails when a spawned server has ended by itself, or ends now; for who lost a connection.
    pub fn check_dying(&mut self) -> Result<(), BenchError> {
        self.program.as_mut().map_or(Ok(()), Program::check_dying)
    }

    /// The process that we have started.
    ///
    /// # Errors
    /// [`BenchError::Usage`] for a server that ran already.
    pub fn program(&mut self) -> Result<&mut Program, BenchError> {
        let text = format!("{}: this mode starts its own server: use --spawn", self.label);
        self.program.as_mut().ok_or(BenchError::Usage(text))
    }

    /// Stops it, lets the kernel forget its files, and starts it again.
    ///
    /// # Errors
    /// As [`Server::start`], and for a server that ran already.
    pub fn restart_cold(&mut self) -> Result<(), BenchError> {
        if !self.program()?.scratch().path(STORE_FOLDER).exists() {
            let text = "cold reading needs the store folder of corewire-bench: leave -sd away";
            return Err(BenchError::Usage(text.to_string()));
        }
        self.restart(Ending::Stopped).map(|_| ())
    }

    /// Kills it and starts it again; returns the moment of the start.
    ///
    /// # Errors
    /// As [`Server::start`], and for a server that ran already.
    pub fn kill_and_start(&mut self) -> Result<Instant, BenchError> {
        self.restart(Ending::Killed)
    }

    fn restart(&mut self, ending: Ending) -> Result<Instant, BenchError> {
        let program = self.program()?;
        let started = program.restart(ending)?;
        self.pid = Some(program.id());
        self.greet()?;
        Ok(started)
    }
}

impl Outfit {
    /// The flags with everything that the outfit adds, and where monitoring listens.
    fn dress(
        &self,
        mut flags: Vec<String>,
        scratch: &Scratch,
    ) -> Result<(Vec<String>, Option<String>), BenchError> {
        let mut add = |words: &[&str]| flags.extend(words.iter().map(|word| word.to_string()));
        if let Some(text) = &self.config {
            let path = scratch.path(CONFIG_FILE);
            let source = fs::write(&path, text.as_bytes());
            source.map_err(|source| BenchError::Output { path: path.clone(), source })?;
            add(&["-c", &path.to_string_lossy()]);
        }
        let monitor = match self.monitor {
            Monitor::Off => None,
            Monitor::On => {
                let port = free_port()?.to_string();
                add(&["-m", &port]);
                Some(format!("127.0.0.1:{port}"))
            }
        };
        if self.store == Store::Folder && !names_store(&flags) {
            let folder = scratch.path(STORE_FOLDER).to_string_lossy().into_owned();
            flags.extend(["-js".to_string(), "-sd".to_string(), folder]);
        }
        Ok((flags, monitor))
    }
}

/// Name of the configuration that an [`Outfit`] writes.
pub const CONFIG_FILE: &str = "bench.conf";
const STORE_FOLDER: &str = "store";

/// A port that nobody listens on. Another process may take it meanwhile; the start fails then.
pub fn free_port() -> Result<u16, BenchError> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn names_store(flags: &[String]) -> bool {
    flags.iter().any(|flag| {
        let name = flag.split('=').next().unwrap_or(flag);
        matches!(name.trim_start_matches('-'), "sd" | "store_dir")
    })
}

/// Credentials among a program's flags: the load logs in with the same.
fn login_of(flags: &[String]) -> Option<Login> {
    let value = |name: &str| {
        let at = flags.iter().position(|flag| flag.trim_start_matches('-') == name)?;
        flags.get(at + 1).cloned()
    };
    if let Some(token) = value("auth") {
        return Some(Login::Token(token));
    }
    Some(Login::Password { user: value("user")?, password: value("pass")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_an_address_or_a_program() {
        let spec = ServerSpec::parse("old=nats-server -D").expect("valid");
        assert_eq!(spec.label, "old");
        let Origin::Program { path, flags } = spec.origin else {
            panic!("a program was named");
        };
        assert_eq!((path.to_str(), flags), (Some("nats-server"), vec!["-D".to_string()]));
        let spec = ServerSpec::parse("nats://u:p=x@h:1").expect("valid");
        assert_eq!(spec.label, "h:1");
        assert!(matches!(spec.origin, Origin::Running { .. }));
        assert!(ServerSpec::parse("  ").is_err());
        assert_eq!(ServerSpec::parse("./target/corewire --x=1").expect("valid").label, "corewire");
    }

    #[test]
    fn a_store_of_its_own_gives_way_to_one_that_the_flags_name() {
        let outfit = Outfit { store: Store::Folder, ..Outfit::default() };
        let scratch = Scratch::new().expect("a disk");
        let (flags, monitor) = outfit.dress(Vec::new(), &scratch).expect("nothing to write");
        assert_eq!((&flags[0][..], &flags[1][..], monitor), ("-js", "-sd", None));
        let named = vec!["-js".to_string(), "--store_dir=/x".to_string()];
        let (flags, _) = outfit.dress(named.clone(), &scratch).expect("nothing to write");
        assert_eq!(flags, named);
    }

    #[test]
    fn a_program_that_ends_at_once_shows_its_last_words() {
        let origin = Origin::Program { path: "sh".into(), flags: vec!["--port".to_string()] };
        let spec = ServerSpec::new("sh".to_string(), origin);
        let error = Server::start(&spec, &Placement::default()).unwrap_err();
        assert!(
            matches!(&error, BenchError::ServerEnded { log, .. } if !log.is_empty()),
            "{error}"
        );
    }

    #[test]
    fn a_missing_program_is_named_and_leaves_nothing_behind() {
        let spec = ServerSpec::parse("/nonexistent/nats").expect("valid");
        let error = Server::start(&spec, &Placement::default()).unwrap_err();
        assert!(matches!(error, BenchError::Spawn { .. }), "{error}");
    }
}
