//! The console as a browser shows it: the page in headless Chromium, looked at after a few rounds
//! of its own looking. Corewire only. Where no Chromium is installed the test says so and ends.

use std::process::Command;

use harness::{Folder, Server, Subject, until};

/// Chromium under the names that distributions give it.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// How long the page lives, on the browser's own fast clock, milliseconds: three looks.
const PAGE_MS: u32 = 7000;

fn browser() -> Option<&'static str> {
    let runs = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    BROWSERS.into_iter().find(runs)
}

/// The page's DOM once its script has run for a while.
fn shown(browser: &str, url: &str) -> String {
    let profile = Folder::new();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--virtual-time-budget={PAGE_MS}"))
        .args(["--dump-dom", url])
        .output()
        .expect("it ran for its version");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a page is text")
}

/// What stands between the tags of the element that begins with `start`.
fn inside<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("no {start} in\n{page}"));
    rest.split_once(end).unwrap_or_else(|| panic!("no {end} after {start} in\n{page}")).0
}

/// A publisher floods one who stops reading, until that one is cut off.
fn cut_off_a_slow_consumer(server: &Server) {
    let mut slow = server.quiet();
    slow.send("SUB flood 1");
    slow.ping();
    let mut publisher = server.quiet();
    let payload = "x".repeat(32 << 10);
    until("the slow consumer is cut off", || {
        publisher.publish("flood", &payload);
        publisher.ping();
        server.log_text().contains("Slow Consumer Detected").then_some(())
    });
}

#[test]
fn a_browser_shows_cores_rates_connections_and_who_was_slow() {
    if Subject::from_env().skips_ours() {
        return;
    }
    let Some(browser) = browser() else {
        println!("skipped: none of {BROWSERS:?} is installed");
        return;
    };
    let config = "max_payload: 65536\nmax_pending: 65536\nhttp_base_path: /nats\n";
    let server = Server::builder().config(config).monitored().cores(2).start();
    let mut named = server.connect();
    named.send(r#"CONNECT {"name":"<b>bold</b>","verbose":false,"lang":"raw","version":"1"}"#);
    named.ping();
    cut_off_a_slow_consumer(&server);

    let page = shown(browser, &format!("http://{}/nats/console", server.monitor()));
    let table = |id: &str| inside(&page, &format!("<table id=\"{id}\">"), "</table>");
    assert_eq!(inside(&page, "id=\"status\" role=\"status\" class=\"\">", "<"), "healthy");
    let cores = inside(table("cores"), "<tbody>", "</tbody>");
    assert_eq!(cores.matches("<tr>").count(), 2, "a row a core: {cores}");
    assert!(cores.matches("<meter ").count() == 2 && !cores.contains("NaN"), "{cores}");
    assert!(table("latency").contains("bytes in to bytes out"), "{}", table("latency"));
    let rates = inside(&page, "<svg id=\"rates\"", "</svg>");
    assert_eq!(rates.matches("<polyline points=\"0,").count(), 2, "{rates}");
    let connections = table("connections");
    assert!(connections.contains("&lt;b&gt;bold&lt;/b&gt;"), "text, not markup: {connections}");
    assert!(connections.contains("raw 1"), "{connections}");
    assert!(table("slow").contains("Slow Consumer (Pending Bytes)"), "{}", table("slow"));
}
