//! The list of endpoints: their paths, which are costly, and how often each was asked for.

use std::cell::Cell;

/// Something that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Endpoint {
    Root,
    Varz,
    Connz,
    Routez,
    Gatewayz,
    Leafz,
    Subsz,
    Accountz,
    Accstatz,
    Jsz,
    Healthz,
    Ipqueuesz,
    Raftz,
    Stacksz,
    Expvars,
    Metrics,
    Explain,
    Console,
    ConsoleScript,
    ConsoleStyle,
}

/// What an answer costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A few kilobytes from figures at hand.
    Light,
    /// Asks every shard; the answer grows with connections or subscriptions.
    Heavy,
}

impl Endpoint {
    // spec/monitoring.md §2; /metrics, /explain and /console are Corewire's own.
    const PATHS: [(&str, Endpoint); 21] = [
        ("/", Endpoint::Root),
        ("/varz", Endpoint::Varz),
        ("/connz", Endpoint::Connz),
        ("/routez", Endpoint::Routez),
        ("/gatewayz", Endpoint::Gatewayz),
        ("/leafz", Endpoint::Leafz),
        ("/subsz", Endpoint::Subsz),
        ("/subscriptionsz", Endpoint::Subsz),
        ("/accountz", Endpoint::Accountz),
        ("/accstatz", Endpoint::Accstatz),
        ("/jsz", Endpoint::Jsz),
        ("/healthz", Endpoint::Healthz),
        ("/ipqueuesz", Endpoint::Ipqueuesz),
        ("/raftz", Endpoint::Raftz),
        ("/stacksz", Endpoint::Stacksz),
        ("/debug/vars", Endpoint::Expvars),
        ("/metrics", Endpoint::Metrics),
        ("/explain", Endpoint::Explain),
        ("/console", Endpoint::Console),
        ("/console.js", Endpoint::ConsoleScript),
        ("/console.css", Endpoint::ConsoleStyle),
    ];

    /// The endpoint at `path`, below the base path.
    pub(crate) fn at(path: &str) -> Option<Endpoint> {
        Endpoint::PATHS.iter().find(|(known, _)| *known == path).map(|&(_, endpoint)| endpoint)
    }

    /// The path under which it is counted.
    fn path(self) -> &'static str {
        let first = Endpoint::PATHS.iter().find(|(_, endpoint)| *endpoint == self);
        first.map_or("", |(path, _)| path)
    }

    /// What an answer costs.
    pub(crate) fn cost(self) -> Cost {
        match self {
            Endpoint::Connz
            | Endpoint::Subsz
            | Endpoint::Accountz
            | Endpoint::Accstatz
            | Endpoint::Jsz
            | Endpoint::Explain => Cost::Heavy,
            _ => Cost::Light,
        }
    }
}

/// `http_req_stats`: requests by endpoint since the start. Control thread only.
#[derive(Debug, Default)]
pub(crate) struct RequestCounts {
    counts: [Cell<u64>; Endpoint::PATHS.len()],
}

impl RequestCounts {
    /// One more.
    pub(crate) fn count(&self, endpoint: Endpoint) {
        let count = &self.counts[endpoint as usize];
        count.set(count.get() + 1);
    }

    /// Path and count of those that were asked for at all.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Endpoint::PATHS
            .iter()
            .filter(|(path, endpoint)| *path == endpoint.path())
            .map(|&(path, endpoint)| (path, self.counts[endpoint as usize].get()))
            .filter(|&(_, count)| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_paths_of_one_endpoint_are_counted_together() {
        let counts = RequestCounts::default();
        for path in ["/subscriptionsz", "/subsz", "/"] {
            counts.count(Endpoint::at(path).unwrap());
        }
        assert_eq!(counts.all().collect::<Vec<_>>(), [("/", 1), ("/subsz", 2)]);
        assert_eq!(Endpoint::at("/varz/"), None);
        assert_eq!(Endpoint::at(""), None);
    }
}
