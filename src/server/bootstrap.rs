//! From options to a running server: listeners, mesh, one pinned thread a core, the control
//! thread. Whatever fails here is one clear message and a non-zero exit.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc as std_mpsc;
use std::time::Instant;

use base::snapshot::ClosedSnapshot;
use base::{Counters, Level, Log};
use config::options::Port;
use config::{Launch, Options, limits};
use connection::{Connections, Outside};
use monitor::{ClosedRing, Wording};
use ring::MeshEnd;
use runtime::host::{self, HostError};
use runtime::layout::Layout;
use runtime::uring::ControlBell;
use runtime::{SystemClock, Uring, executor};
use security::{Desk, Directory, HandshakeDesk};
use shard::Shard;
use storage::Keys;
use tokio::sync::mpsc;

use crate::callouts::Callouts;
use crate::claims;
use crate::command::{COMMANDS_MAX, Command};
use crate::control::{Control, CoreEnd, End, Signals};
use crate::core::reconfigure::CoreSettings;
use crate::core::{Core, Parts};
use crate::cores::{CoreHandle, Cores};
use crate::facts::{self, Standing};
use crate::fetching::Fetching;
use crate::files::{PortsFile, write_pid, write_ports};
use crate::gather::Gather;
use crate::handshakes;
use crate::identity::Identity;
use crate::jetstream;
use crate::logging;
use crate::logins::{self, Checker};
use crate::lookups;
use crate::observing::{self, Observations};
use crate::orders::ORDERS_MAX;
use crate::placing::Placing;
use crate::rate::Rate;
use crate::reload::Reloadable;
use crate::settings::{self, Access};
use crate::system::{self, FromCores, System};
use crate::tls::{Beside, Listeners};
use crate::tuning;

/// Records of closed connections that may wait for the control thread.
const CLOSED_QUEUE_MAX: usize = 16 * 1024;

/// Threads that wait for others on the control thread's behalf, as for OCSP responders. What is
/// beyond them waits for one of them.
const BLOCKING_THREADS_MAX: usize = 64;

/// Why the server did not start.
pub enum StartError {
    /// Before there was a log: for standard error.
    BeforeLog(String),
    /// The log tells.
    Logged,
}

/// What every core's thread gets, its own parts aside.
#[derive(Clone)]
struct Common {
    options: Arc<Options>,
    settings: Arc<CoreSettings>,
    outside: Outside,
    counters: Vec<Arc<Counters>>,
    next_cid: Arc<AtomicU64>,
    from_cores: FromCores,
    observations: Observations,
    jetstream: Option<::jetstream::Settings>,
    keys: Keys,
    ended: mpsc::UnboundedSender<CoreEnd>,
}

/// A core that stands and waits for its peers' descriptors.
struct Started {
    descriptor: RawFd,
    bell: ControlBell,
}

/// Runs a server until it ends.
///
/// # Errors
/// [`StartError`] when it does not come up.
pub fn serve(options: Options, launch: Launch) -> Result<End, StartError> {
    let layout = tuning::prepare(&options.corewire)
        .map_err(|error| StartError::BeforeLog(error.to_string()))?;
    let (log, writer) = logging::open(&options).map_err(StartError::BeforeLog)?;
    logging::log_panics(log.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build();
    let ran = match runtime {
        Ok(runtime) => {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, start(options, launch, layout, log.clone(), writer))
        }
        Err(error) => fatal(&log, &format!("Can't start the control thread: {error}")),
    };
    // Dropping the writer, inside `start`, has written everything that was said.
    ran
}

fn fatal<T>(log: &Log, text: &str) -> Result<T, StartError> {
    log.say(Level::Fatal, text);
    Err(StartError::Logged)
}

async fn start(
    options: Options,
    launch: Launch,
    layout: Layout,
    log: Log,
    writer: log_writer::LogWriter,
) -> Result<End, StartError> {
    let identity = Identity::new(&options);
    let Layout { shards: chosen, notes, .. } = layout;
    logging::say_start(&log, &options, &identity, &chosen);
    for note in notes {
        log.say(Level::Warn, note.to_string());
    }
    let signals = match Signals::catch() {
        Ok(signals) => signals,
        Err(error) => return fatal(&log, &format!("Can't receive signals: {error}")),
    };
    let (handshakes, handshakes_waiting) = HandshakeDesk::open();
    let (observations, observed) = observing::queue();
    let beside = Beside { handshakes, log: log.clone(), observer: observations.observer() };
    let mut tls = match Listeners::new(&options, Some(beside)) {
        Ok(tls) => tls,
        Err(error) => return fatal(&log, &error.to_string()),
    };
    let (orders_sender, orders) = mpsc::channel(ORDERS_MAX);
    if let Err(error) = tls.staple(&options, &log, &orders_sender).await {
        return fatal(&log, &error.to_string());
    }
    let http_host = options.http_host.as_ref().unwrap_or(&options.host);
    let http = match options.http_port.or(options.https_port) {
        None => None,
        Some(port) => match bind(http_host, port).await {
            Ok(listener) => Some(listener),
            Err(error) => {
                let text = format!("Can't listen to the monitor port: {error}");
                return fatal(&log, &text);
            }
        },
    };
    let http_address = http.as_ref().and_then(|listener| listener.local_addr().ok());
    if let Some(address) = http_address {
        let port = address.port();
        let scheme = if tls.monitoring.is_some() { "https" } else { "http" };
        log.say(Level::Info, format!("Starting {scheme} monitor on {http_host}:{port}"));
    }
    let listener = match bind(&options.host, options.port).await {
        Ok(listener) => listener,
        Err(error) => {
            let at = format!("{}:{}", options.host, options.port);
            let text = format!("Error listening on port: {at}, \"listen tcp {at}: {error}\"");
            return fatal(&log, &text);
        }
    };
    let address = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => return fatal(&log, &format!("Can't read the client port: {error}")),
    };
    for refused in tuning::socket_options(&options.corewire.tuning).apply(&listener) {
        log.say(Level::Warn, refused.to_string());
    }
    let server = (&identity.name[..], identity.id.as_str());
    let jetstream_settings = jetstream::settings(&options, server, chosen.len());
    if let Some(settings) = &jetstream_settings {
        jetstream::say_start(&log, &options, settings);
        if let Err(error) = jetstream::check_accounts(&options, settings.bounds) {
            return fatal(&log, &format!("Can't start JetStream: {error}"));
        }
    }
    let store = match &jetstream_settings {
        None => None,
        Some(_) => match jetstream::take_store(&options.jetstream) {
            Ok(store) => Some(store),
            Err(error) => return fatal(&log, &format!("Can't start JetStream: {error}")),
        },
    };
    let standing = Standing {
        launch,
        identity,
        clients: address,
        http: http_address,
        cores: chosen,
        start_ns: facts::now_ns(),
    };
    let view = jetstream_settings
        .as_ref()
        .map(|settings| jetstream::View::new(&options.jetstream, settings));
    let options = Arc::new(options);
    let directory = match Directory::new(&options, None) {
        Ok(directory) => Arc::new(directory),
        Err(error) => return fatal(&log, &error.to_string()),
    };
    claims::say_folder(&directory, &log);
    let (lookups, to_look_up) = lookups::queue();
    lookups::attach(&directory, &options, &lookups);
    let (desk, work) = Desk::open();
    let access = Access { directory: Arc::clone(&directory), desk: Some(desk), tls };
    let info = standing.identity.info(&options, address.port());
    let core_settings = settings::of_core(&options, info, &access, &log);
    let clients = Arc::clone(&core_settings.clients);
    let (closed_sender, closed) =
        crossbeam_channel::bounded::<Box<ClosedSnapshot>>(CLOSED_QUEUE_MAX);
    let (ended_sender, ended) = mpsc::unbounded_channel();
    let (from_cores, to_control) = system::queues();
    let common = Common {
        options: Arc::clone(&options),
        settings: Arc::new(core_settings),
        outside: Outside {
            log: log.clone(),
            closed: closed_sender,
            server_id: standing.identity.id.as_str().into(),
            events: from_cores.tell(),
        },
        from_cores,
        observations,
        counters: standing.cores.iter().map(|_| Arc::default()).collect(),
        next_cid: Arc::new(AtomicU64::new(1)),
        jetstream: jetstream_settings,
        keys: store.as_ref().map_or_else(Keys::default, |store| store.keys.clone()),
        ended: ended_sender,
    };
    let handles = match start_cores(&standing.cores, listener.into(), common) {
        Ok(handles) => handles,
        Err(error) => return fatal(&log, &error.to_string()),
    };
    // From here on this is the control thread.
    host::give_way();
    host::return_freed_memory();
    // Before the line that tools wait for: then they look for the files.
    let ports_file = match write_files(&options, address, http_address) {
        Ok(ports_file) => ports_file,
        Err(text) => return fatal(&log, &text),
    };
    let (host, port) = (&options.host, address.port());
    log.say(Level::Info, format!("Listening for client connections on {host}:{port}"));
    if options.tls.is_some() {
        let how = if options.is_tls_required() { "required" } else { "available" };
        log.say(Level::Info, format!("TLS {how} for client connections"));
    }
    if options.proxy_protocol {
        log.say(Level::Info, "PROXY protocol enabled for client connections");
    }
    log.say(Level::Info, "Server is ready");
    let cores = Arc::new(Cores::new(handles));
    if options.tls.is_some()
        && let Err(error) = handshakes::start(&handshakes_waiting, &cores)
    {
        return fatal(&log, &format!("Can't start the threads that make handshakes: {error}"));
    }
    let identity = &standing.identity;
    let (keys, asker) = (Arc::clone(&identity.keys), identity.asker(&options));
    let callouts = Arc::new(Callouts::new(keys, asker, log.clone()));
    let (admit, admissions) = logins::admissions();
    let fetching = Arc::new(Fetching::new(admit, Arc::clone(&cores), log.clone()));
    let checker = Checker { cores: Arc::clone(&cores), callouts, fetching };
    if let Err(error) = logins::start(&work, &checker) {
        return fatal(&log, &format!("Can't start the threads that check logins: {error}"));
    }
    let start_ns = standing.start_ns;
    let shown = facts::of(&options, &standing, &directory, &access.tls, start_ns);
    let gather = Rc::new(Gather {
        accounts: RefCell::new(facts::accounts(&options, &directory, start_ns).into()),
        facts: RefCell::new(Rc::new(shown)),
        cores: Arc::clone(&cores),
        closed_inbox: closed,
        closed: RefCell::new(ClosedRing::new(options.max_closed_clients)),
        listening: Cell::new(true),
        jetstream: view,
        ocsp_cache: RefCell::new(access.tls.answers()),
        log: log.clone(),
        orders: orders_sender,
    });
    let http = match http.map(to_async).transpose() {
        Ok(http) => http,
        Err(error) => return fatal(&log, &format!("Can't listen to the monitor port: {error}")),
    };
    let retired = Vec::new();
    let reloadable =
        Reloadable { options, standing, access, retired, lookups, clients, writer, ports_file };
    let wording = match Wording::start(host::run_when_idle) {
        Ok(wording) => wording,
        Err(error) => return fatal(&log, &format!("Can't start the thread that words: {error}")),
    };
    let desk = Rc::new(monitor::Desk::new(Rc::clone(&gather), wording));
    // A reload makes another one, and this one would stay.
    drop(directory);
    let system = Rc::new(System::new(&gather, &desk));
    system.run(to_control);
    tokio::task::spawn_local(observing::tell(Rc::clone(&system), observed));
    tokio::task::spawn_local(lookups::run(Rc::clone(&system), to_look_up));
    let control = Control {
        reloadable,
        log,
        cores,
        gather,
        http,
        ended,
        desk,
        system,
        admissions,
        orders,
        signals,
    };
    Ok(control.run().await)
}

/// Listens. A port in use is asked for a little longer: the kernel takes down the rings of a
/// server that was killed, and with them its listener, after that process is gone.
async fn bind(host: &str, port: Port) -> std::io::Result<TcpListener> {
    let addresses: Vec<SocketAddr> = (host, port.to_bind()).to_socket_addrs()?.collect();
    let until = Instant::now() + limits::LISTEN_RETRY;
    loop {
        match TcpListener::bind(&addresses[..]) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                tokio::time::sleep(limits::LISTEN_RETRY_PAUSE).await;
            }
            bound => {
                let listener = bound?;
                listener.set_nonblocking(true)?;
                return Ok(listener);
            }
        }
    }
}

fn to_async(listener: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::from_std(listener)
}

fn write_files(
    options: &Options,
    clients: SocketAddr,
    monitoring: Option<SocketAddr>,
) -> Result<Option<PortsFile>, String> {
    if let Some(path) = &options.pid_file {
        write_pid(path)
            .map_err(|error| format!("Could not write pidfile {}: {error}", path.display()))?;
    }
    let Some(directory) = &options.ports_file_dir else { return Ok(None) };
    write_ports(directory, options, clients, monitoring).map(Some)
}

/// Starts one thread a core, one after another, then introduces them to each other.
fn start_cores(
    chosen: &[usize],
    listener: OwnedFd,
    common: Common,
) -> Result<Vec<CoreHandle>, HostError> {
    let sizes = tuning::ring_sizes(&common.options.corewire.tuning);
    let mut listener = Some(listener);
    let mut started = Vec::new();
    for ((end, &core), counters) in
        ring::mesh(chosen.len(), &sizes).into_iter().zip(chosen).zip(&common.counters)
    {
        let (commands, inbox) = crossbeam_channel::bounded(COMMANDS_MAX);
        let (peers_sender, peers) = std_mpsc::channel();
        let listener = listener.take();
        let stands = start_core(core, end, inbox, listener, peers, common.clone())?;
        let counters = Arc::clone(counters);
        let handle = CoreHandle { commands, bell: stands.bell, counters };
        started.push((stands.descriptor, peers_sender, handle));
    }
    let descriptors: Vec<RawFd> = started.iter().map(|(descriptor, ..)| *descriptor).collect();
    let mut handles = Vec::new();
    for (_, peers, handle) in started {
        // A core that is gone already has said so.
        let _ = peers.send(descriptors.clone());
        handles.push(handle);
    }
    Ok(handles)
}

fn start_core(
    core: usize,
    end: MeshEnd,
    commands: crossbeam_channel::Receiver<Command>,
    listener: Option<OwnedFd>,
    peers: std_mpsc::Receiver<Vec<RawFd>>,
    common: Common,
) -> Result<Started, HostError> {
    let (stands_sender, stands) = std_mpsc::channel::<Result<Started, HostError>>();
    let failed_sender = stands_sender.clone();
    let ended = common.ended.clone();
    let main = move |watched: Vec<RawFd>| async move {
        let tuning = &common.options.corewire.tuning;
        let uring_options = tuning::uring_options(&common.options, common.counters.len());
        let mut net = match Uring::new(uring_options, watched) {
            Ok(net) => net,
            Err(error) => {
                let _ = stands_sender.send(Err(error));
                return;
            }
        };
        tuning::tune(&mut net, tuning, &common.outside.log);
        let stands = Started { descriptor: net.descriptor(), bell: net.control_bell() };
        // What is on the disk is read before the others hear that this core stands.
        let mut parts = match parts(net, end, commands, &common, listener.is_some()) {
            Ok(parts) => parts,
            Err(error) => {
                let _ = stands_sender.send(Err(HostError::System(error)));
                return;
            }
        };
        let _ = stands_sender.send(Ok(stands));
        let Ok(peers) = peers.recv() else { return };
        parts.net.connect(peers);
        if let Some(listener) = listener {
            parts.net.set_listener(listener);
        }
        let mut core = Core::new(parts);
        drop(common);
        while !core.has_ended() {
            core.turn();
            executor::yield_once().await;
        }
    };
    let guarded = move |watched| async move {
        let end = match executor::catch_unwind(main(watched)).await {
            Ok(()) => CoreEnd::Orderly,
            Err(_) => CoreEnd::Panicked,
        };
        // The control thread may have ended first.
        let _ = ended.send(end);
    };
    executor::spawn(core, format!("core-{core}"), guarded, move |error| {
        let _ = failed_sender.send(Err(error));
    })?;
    stands.recv().unwrap_or(Err(HostError::System(std::io::ErrorKind::BrokenPipe.into())))
}

fn parts(
    net: Uring,
    end: MeshEnd,
    commands: crossbeam_channel::Receiver<Command>,
    common: &Common,
    accepts: bool,
) -> std::io::Result<Parts<Uring, SystemClock>> {
    let settings = &common.settings;
    let log = &common.outside.log;
    let counters = Arc::clone(&common.counters[end.shard().index()]);
    let mut shard = Shard::new(end, settings.shard.clone(), counters, fastrand::u64(..));
    shard.set_observer(common.observations.observer());
    let server_id = &common.outside.server_id;
    let queues = &common.from_cores;
    let answers = settings.clients.desk.clone();
    let claims = claims::role(&common.options);
    let listener = system::Listener::on(&mut shard, server_id, claims, queues, answers);
    let mut services = vec![listener];
    if let Some(jetstream) = &common.jetstream {
        let (options, jetstream) = (&common.options, jetstream.clone());
        let keys = common.keys.clone();
        services.push(jetstream::service(&mut shard, options, jetstream, keys, log)?);
    }
    Ok(Parts {
        net,
        clock: SystemClock::default(),
        shard,
        connections: Connections::new(
            settings.connections,
            settings.tls.clone(),
            common.outside.clone(),
        ),
        clients: Rc::new(client::Current::new(Arc::clone(&settings.clients))),
        commands,
        next_cid: Arc::clone(&common.next_cid),
        placing: accepts.then(|| Placing::new(common.counters.clone())),
        connections_max: settings.connections_max,
        rate: Rate::new(settings.connections_per_second),
        idle: settings.idle,
        services,
        log: log.clone(),
    })
}
