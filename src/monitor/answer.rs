//! From path and query to a reply: which endpoint answers, and with what at hand.

use std::rc::Rc;

use base::Counter;
use hyper::StatusCode;

use crate::endpoint::{Cost, Endpoint, RequestCounts};
use crate::params::{BadRequest, Params};
use crate::process::Process;
use crate::reply::Reply;
use crate::source::Source;
use crate::text::now_ns;
use crate::{connz, healthz, metrics, root, subsz, switched_off, varz};

/// Everything that outlives a request. Control thread only.
pub(crate) struct Desk<S> {
    source: Rc<S>,
    requests: RequestCounts,
    process: Process,
    base_path: String,
}

/// What an endpoint sees while it answers.
pub(crate) struct Scene<'a, S> {
    pub(crate) source: &'a S,
    pub(crate) requests: &'a RequestCounts,
    pub(crate) process: &'a Process,
    /// The moment of the request, nanoseconds since the Unix epoch.
    pub(crate) now_ns: u64,
}

impl<S: Source> Scene<'_, S> {
    /// A counter over all shards. Wraps as the counters do.
    pub(crate) fn total(&self, counter: Counter) -> u64 {
        let shards = self.source.shards().iter();
        shards.fold(0, |sum, shard| sum.wrapping_add(shard.get(counter)))
    }
}

impl<S: Source> Desk<S> {
    pub(crate) fn new(source: Rc<S>) -> Desk<S> {
        let facts = source.facts();
        Desk {
            requests: RequestCounts::default(),
            process: Process::new(facts.start_ns),
            base_path: format!("/{}", facts.http_base_path.trim_matches('/')),
            source,
        }
    }

    /// The endpoint that `path` names, if any.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        // spec/monitoring.md §1: the base path prefixes every path.
        if self.base_path == "/" {
            return Endpoint::at(path);
        }
        match path.strip_prefix(&self.base_path)? {
            "" => Some(Endpoint::Root),
            below => Endpoint::at(below),
        }
    }

    /// What answering costs; paths that do not exist cost nothing.
    pub(crate) fn cost(&self, path: &str) -> Cost {
        self.endpoint(path).map_or(Cost::Light, Endpoint::cost)
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, path: &str, query: &str) -> Reply {
        let Some(endpoint) = self.endpoint(path) else {
            return Reply::text(StatusCode::NOT_FOUND, "404 page not found\n");
        };
        self.requests.count(endpoint);
        let scene = Scene {
            source: &*self.source,
            requests: &self.requests,
            process: &self.process,
            now_ns: now_ns(),
        };
        match ask(endpoint, &scene, &Params::parse(query)).await {
            Ok(reply) => reply,
            Err(bad_request) => Reply::text(StatusCode::BAD_REQUEST, bad_request.to_string()),
        }
    }
}

async fn ask<S: Source>(
    endpoint: Endpoint,
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    match endpoint {
        Endpoint::Root => Ok(root::answer(&scene.source.facts())),
        Endpoint::Varz => Ok(varz::answer(scene)),
        Endpoint::Connz => connz::answer(scene, params).await,
        Endpoint::Subsz => subsz::answer(scene, params).await,
        Endpoint::Healthz => healthz::answer(&scene.source.health(), params),
        Endpoint::Metrics => Ok(metrics::answer(scene)),
        Endpoint::Routez => switched_off::routez(scene, params),
        Endpoint::Gatewayz => switched_off::gatewayz(scene, params),
        Endpoint::Leafz => switched_off::leafz(scene, params),
        Endpoint::Jsz => switched_off::jsz(scene, params),
        Endpoint::Raftz => Ok(switched_off::raftz()),
        Endpoint::Accountz => switched_off::accountz(scene, params),
        Endpoint::Accstatz | Endpoint::Ipqueuesz | Endpoint::Stacksz | Endpoint::Expvars => {
            Ok(switched_off::not_built_yet())
        }
    }
}

#[cfg(test)]
mod tests;
