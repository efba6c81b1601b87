//! The keys of our answers beside those of an installed nats-server (Debian's is 2.9.10). Where
//! none is installed the test says so and ends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::*;

/// Keys that came after 2.9.10, by endpoint: the oldest release that we compare with.
const NEWER: [(&str, &[&str]); 8] = [
    (
        "/varz",
        &[
            "config_digest",
            "disk_io_wait_stats",
            "in_client_bytes",
            "in_client_msgs",
            "out_client_bytes",
            "out_client_msgs",
            "slow_consumer_stats",
            "stale_connections",
            "stalled_clients",
        ],
    ),
    ("/connz", &[]),
    ("/subsz", &[]),
    ("/routez", &["server_name"]),
    ("/gatewayz", &[]),
    ("/leafz", &[]),
    ("/jsz", &["total"]),
    ("/healthz", &[]),
];

/// Keys that 2.9.10 has and we do not: it always has a system account, we have none yet.
const NOT_OURS: [(&str, &[&str]); 1] = [("/varz", &["system_account"])];

/// A nats-server on free ports, ended when dropped.
struct NatsServer {
    process: Child,
    folder: PathBuf,
}

impl NatsServer {
    /// Starts one; `None` where it is not installed.
    fn start() -> Option<NatsServer> {
        let folder = format!("corewire-monitor-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let process = Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "--ports_file_dir"])
            .arg(&folder)
            .stderr(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Some(NatsServer { process, folder }),
            Err(_) => {
                std::fs::remove_dir_all(&folder).unwrap();
                None
            }
        }
    }

    /// Client and monitoring addresses, from the ports file once it is written.
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let file = self.folder.join(format!("nats-server_{}.ports", self.process.id()));
        let deadline = Instant::now() + Duration::from_secs(20);
        let ports: Value = loop {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if let Ok(ports) = serde_json::from_str(&text) {
                break ports;
            }
            assert!(Instant::now() < deadline, "nats-server wrote no ports file");
            std::thread::yield_now();
        };
        let address = |kind: &str| {
            let url = ports[kind][0].as_str().unwrap();
            url.split_once("://").unwrap().1.parse().unwrap()
        };
        (address("nats"), address("monitoring"))
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// A client with a queue subscription that has a limit; the PONG says that all is in place.
fn subscribe(address: SocketAddr) -> std::net::TcpStream {
    let mut stream = connect(address);
    stream
        .write_all(
            b"CONNECT {\"verbose\":false,\"name\":\"n\",\"lang\":\"go\",\"version\":\"1\"}\r\n\
              SUB a.* q 1\r\nUNSUB 1 9\r\nPING\r\n",
        )
        .unwrap();
    let mut text = Vec::new();
    while !text.ends_with(b"PONG\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    stream
}

/// The same client on the fake server.
fn same_client() -> FakeServer {
    let mut server = FakeServer::idle();
    let mut connection = fake::connection(4);
    connection.name = "n".into();
    connection.lang = "go".into();
    connection.version = "1".into();
    connection.rtt_ns = Some(5_000);
    server.connections = vec![connection];
    server.subscriptions = vec![base::snapshot::SubscriptionSnapshot {
        account: "$G".into(),
        ..fake::subscription(4, "a.*")
    }];
    server
}

fn json(address: SocketAddr, target: &str) -> Value {
    let (head, body) = request(address, "GET", target);
    assert!(head.starts_with("http/1.1 200"), "{target}: {head}");
    serde_json::from_str(&body).unwrap()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn listed(table: &[(&str, &'static [&'static str])], target: &str) -> BTreeSet<&'static str> {
    let path = target.split('?').next().unwrap();
    table.iter().filter(|(known, _)| *known == path).flat_map(|(_, keys)| *keys).copied().collect()
}

#[test]
fn our_keys_are_those_of_nats_server() {
    let Some(theirs) = NatsServer::start() else {
        println!("skipped: nats-server is not installed");
        return;
    };
    let (clients, monitoring) = theirs.addresses();
    let _client = subscribe(clients);
    with_server(same_client(), move |ours| {
        for target in [
            "/varz",
            "/connz",
            "/connz?subs=1&auth=1",
            "/connz?subs=detail&auth=1",
            "/subsz",
            "/subsz?subs=1&acc=%24G&test=a.b",
            "/routez",
            "/gatewayz",
            "/leafz",
            "/jsz",
            "/healthz",
        ] {
            let (our, their) = (json(ours, target), json(monitoring, target));
            let our_extra: BTreeSet<_> = &keys(&our) - &keys(&their);
            let missing: BTreeSet<_> = &keys(&their) - &keys(&our);
            assert_eq!(our_extra, listed(&NEWER, target), "{target}: newer than 2.9.10");
            assert_eq!(missing, listed(&NOT_OURS, target), "{target}: missing here");
            for inner in ["connections", "subscriptions_list"] {
                let (our, their) = (&our[inner][0], &their[inner][0]);
                assert_eq!(our.is_null(), their.is_null(), "{target} {inner}");
                if our.is_object() {
                    assert_eq!(keys(our), keys(their), "{target} {inner}");
                }
                let detail = "subscriptions_list_detail";
                if our[detail].is_array() {
                    assert_eq!(keys(&our[detail][0]), keys(&their[detail][0]), "{detail}");
                }
            }
        }
        refusals_are_the_same(ours, monitoring);
    });
}

fn refusals_are_the_same(ours: SocketAddr, theirs: SocketAddr) {
    for target in [
        "/connz?subs=zz",
        "/connz?auth=2",
        "/connz?offset=a",
        "/connz?limit=+5",
        "/connz?limit=99999999999999999999",
        "/connz?cid=-1",
        "/connz?cid=99999999999999999999",
        "/connz?state=x",
        "/connz?sort=x",
        "/connz?sort=stop",
        "/connz?sort=reason&state=all",
        "/connz?state=x&sort=y&cid=z&limit=w",
        "/connz?state=x&sort=y",
        "/connz?limit=w&state=x",
        "/subsz?subs=detail",
        "/subsz?test=a.*",
        "/subsz?test=a..b",
        "/subsz?test=%3E&limit=x",
        "/leafz?subs=x",
        "/gatewayz?accs=x",
        "/routez?subs=x",
        "/accountz?acc=nope",
        "/jsz?limit=x",
        "/none",
        "/varz/",
    ] {
        let (our_head, our_body) = request(ours, "GET", target);
        let (their_head, their_body) = request(theirs, "GET", target);
        assert_eq!(our_head.lines().next(), their_head.lines().next(), "{target}");
        assert_eq!(our_body, their_body, "{target}");
    }
}
