//! Over a real socket: headers, methods, hostile and slow clients.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::fake::{self, FakeServer};

/// What an unoptimised program spends on answers would be waited for.
fn front(server: FakeServer) -> Front<FakeServer> {
    Front::new(Rc::new(fake::desk(server)), Budget::new(Duration::from_secs(3600)))
}

/// Serves `server` on a free port while `client` runs on a thread of its own.
fn with_server<R: Send + 'static>(
    server: FakeServer,
    client: impl FnOnce(SocketAddr) -> R + Send + 'static,
) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = receive_all(listener, None, Rc::new(front(server)));
        let (done, result) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || done.send(client(address)).is_ok());
        tokio::select! {
            () = serving => unreachable!("serves until it is dropped"),
            result = result => {
                let result = result.expect("the client did not panic");
                assert!(thread.join().unwrap());
                result
            }
        }
    })
}

fn connect(address: SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends `request` on a connection of its own and returns all that comes back, as text.
fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that refuses may reset the connection when it had not read everything.
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// Head (in lower case) and body of the answer to `method target`.
fn request(address: SocketAddr, method: &str, target: &str) -> (String, String) {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, &request);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn answers_carry_nats_servers_headers() {
    with_server(FakeServer::full(), |address| {
        let (head, body) = request(address, "GET", "/varz");
        assert!(head.starts_with("http/1.1 200 ok"));
        assert!(head.contains("content-type: application/json"));
        assert!(head.contains("access-control-allow-origin: *"));
        assert!(body.starts_with("{\n  \"server_id\": \"NFAKE\""), "two spaces: {body}");

        let (head, body) = request(address, "GET", "/healthz");
        assert!(head.contains("content-type: application/json"));
        assert_eq!(body, "{\"status\":\"ok\"}");

        let (head, _) = request(address, "GET", "/connz?limit=x");
        assert!(head.starts_with("http/1.1 400"));
        assert!(head.contains("content-type: text/plain; charset=utf-8"));

        let (head, body) = request(address, "GET", "/none");
        assert!(head.starts_with("http/1.1 404"));
        assert!(head.contains("x-content-type-options: nosniff"));
        assert_eq!(body, "404 page not found\n");

        let (head, _) = request(address, "GET", "/metrics");
        assert!(head.contains("content-type: application/openmetrics-text"));
    });
}

#[test]
fn any_method_is_served_and_head_has_no_body() {
    with_server(FakeServer::idle(), |address| {
        for method in ["POST", "PUT", "DELETE", "BREW"] {
            assert_eq!(request(address, method, "/healthz").1, "{\"status\":\"ok\"}");
        }
        let (head, body) = request(address, "HEAD", "/healthz");
        assert!(head.contains("content-length: 15"), "{head}");
        assert_eq!(body, "");
    });
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    with_server(FakeServer::idle(), |address| {
        let pipelined = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\
                         GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = exchange(address, pipelined);
        assert_eq!(answer.matches("{\"status\":\"ok\"}").count(), 2);
    });
}

#[test]
fn malformed_and_oversized_heads_are_refused() {
    with_server(FakeServer::idle(), |address| {
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(HEAD_BYTES_MAX));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        for (request, status) in [
            (long.as_str(), ["HTTP/1.1 414", "HTTP/1.1 431"].as_slice()),
            (many.as_str(), &["HTTP/1.1 431"]),
            ("\0\x01\x02 nonsense\r\n\r\n", &["HTTP/1.1 400"]),
            ("INFO {}\r\nPING\r\n\r\n", &["HTTP/1.1 400"]),
        ] {
            let answer = exchange(address, request);
            let refused = status.iter().any(|status| answer.starts_with(status));
            // What was sent after the refusal may turn the close into a reset.
            assert!(refused || answer.is_empty(), "{answer}");
            assert_eq!(request_status(address), "http/1.1 200 ok", "others are served");
        }
    });
}

fn request_status(address: SocketAddr) -> String {
    request(address, "GET", "/healthz").0.lines().next().unwrap().to_owned()
}

#[test]
fn more_connections_than_the_limit_wait_their_turn() {
    with_server(FakeServer::idle(), |address| {
        let silent: Vec<_> = (0..HTTP_CONNECTIONS_MAX).map(|_| connect(address)).collect();
        let mut one_more = connect(address);
        one_more.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        one_more.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut byte = [0];
        assert!(one_more.read(&mut byte).is_err(), "no place yet");

        silent[7].shutdown(Shutdown::Both).unwrap();
        one_more.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = String::new();
        one_more.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("{\"status\":\"ok\"}"));
    });
}

/// `count` connections with distinct figures.
fn crowd(count: u64) -> FakeServer {
    let mut server = FakeServer::idle();
    server.connections = (0..count)
        .map(|n| {
            let mut connection = fake::connection(n + 1);
            connection.in_msgs = n.wrapping_mul(2_654_435_761) % 1_000_003;
            connection.name = format!("client number {n}");
            connection
        })
        .collect();
    server
}

#[test]
fn ten_thousand_connections_are_sorted_and_paged_quickly() {
    let connz = "/connz?sort=msgs_from&limit=100&offset=5000";
    let (body, took) = with_server(crowd(10_000), move |address| {
        let before = Instant::now();
        let (_, body) = request(address, "GET", connz);
        (body, before.elapsed())
    });
    println!("{connz} over 10,000 connections took {took:?}");
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["total"], 10_000);
    let page: Vec<u64> = answer["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|connection| connection["in_msgs"].as_u64().unwrap())
        .collect();
    assert_eq!(page.len(), 100);
    assert!(page.is_sorted_by(|a, b| a >= b));
}

#[test]
fn slow_readers_of_large_replies_hold_back_the_next_large_one_but_no_small_one() {
    // Each reply is some 6 MB, so about ten of them fill what may wait.
    with_server(crowd(12_000), |address| {
        let large = b"GET /connz?limit=12000 HTTP/1.1\r\n\r\n";
        let mut readers: Vec<_> = (0..16)
            .map(|_| {
                let mut reader = connect(address);
                reader.write_all(large).unwrap();
                reader
            })
            .collect();
        // Served first, so a byte of it says that it was built and charged.
        let mut byte = [0];
        readers[0].read_exact(&mut byte).unwrap();
        assert_eq!(request_status(address), "http/1.1 200 ok");

        // The others come as the first ones are read.
        for (n, reader) in readers.iter_mut().enumerate() {
            reader.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).unwrap();
            assert!(answer.len() > 5_000_000, "reader {n} got {} bytes", answer.len());
        }
    });
}

#[test]
fn waiting_replies_are_charged_until_they_are_gone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let front = front(FakeServer::idle());
        let all = WAITING_KIB_MAX as usize;
        assert!(front.charge(SMALL_REPLY_BYTES - 1).await.is_none());
        let reply = Reply { body: vec![0; 10 << 20], ..Reply::text(StatusCode::OK, "") };
        let charge = front.charge(reply.body.len()).await;
        let response = respond_with(reply, charge);
        assert_eq!(front.waiting.available_permits(), all - (10 << 10));
        drop(response);
        assert_eq!(front.waiting.available_permits(), all);
        // A reply over the whole budget takes all of it.
        let huge = front.charge(1 << 40).await;
        assert_eq!(front.waiting.available_permits(), 0);
        drop(huge);
    });
}

#[test]
fn a_large_reply_stays_charged_while_its_reader_dawdles() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let front = front(crowd(2_000));
        let all = WAITING_KIB_MAX as usize;
        let (mut near, far) = tokio::io::duplex(4 << 10);
        let dawdle = async {
            near.write_all(b"GET /connz?limit=2000 HTTP/1.1\r\n\r\n").await.unwrap();
            let mut received = vec![0; 64 << 10];
            near.read_exact(&mut received).await.unwrap();
            let charged = all - front.waiting.available_permits();
            assert!(charged > 500, "{charged} KiB of about a megabyte");

            near.write_all(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
            near.read_to_end(&mut received).await.unwrap();
            assert!(received.ends_with(b"{\"status\":\"ok\"}"));
            assert_eq!(front.waiting.available_permits(), all);
        };
        tokio::join!(front.converse(far), dawdle);
    });
}
