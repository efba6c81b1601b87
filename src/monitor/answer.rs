//! From path and query to a reply: which endpoint answers, and with what at hand.

use std::rc::Rc;

use base::Counter;
use hyper::StatusCode;
use serde::Serialize;

use crate::budget::Budget;
use crate::endpoint::{Cost, Endpoint, RequestCounts};
use crate::params::{BadRequest, Params};
use crate::process::Process;
use crate::reply::{Layout, Reply};
use crate::source::{AccountFacts, Source};
use crate::text::now_ns;
use crate::wording::Wording;
use crate::{
    accountz, accstatz, connz, console, explain, expvars, healthz, ipqueuesz, jsz, metrics, root,
    stacksz, subsz, switched_off, varz,
};

/// Connections, subscriptions, streams or accounts that are worded by the control thread: some
/// 100 µs.
const ROWS_AT_ONCE: usize = 64;

/// Where requests are answered: everything that outlives one. Control thread only.
pub struct Desk<S> {
    source: Rc<S>,
    requests: RequestCounts,
    process: Process,
    wording: Wording,
    base_path: String,
}

/// What an endpoint sees while it answers.
pub(crate) struct Scene<'a, S> {
    pub(crate) source: &'a S,
    pub(crate) requests: &'a RequestCounts,
    pub(crate) process: &'a Process,
    /// Where long answers are worded.
    pub(crate) wording: &'a Wording,
    /// How JSON is laid out.
    pub(crate) layout: Layout,
    /// The moment of the request, nanoseconds since the Unix epoch.
    pub(crate) now_ns: u64,
}

impl<S: Source> Scene<'_, S> {
    /// JSON, laid out as the asker expects it.
    pub(crate) fn json(&self, value: &impl Serialize) -> Reply {
        Reply::json(self.layout, value)
    }

    /// The same of something with so many rows: where they are many, worded where it is in nobody's
    /// way.
    pub(crate) async fn worded(
        &self,
        value: impl Serialize + Send + Sync + 'static,
        rows: usize,
    ) -> Reply {
        let layout = self.layout;
        match rows <= ROWS_AT_ONCE {
            true => Reply::json(layout, &value),
            false => self.wording.word(move || Reply::json(layout, &value)).await,
        }
    }

    /// An account that exists.
    pub(crate) fn account(&self, name: &str) -> Option<AccountFacts> {
        self.source.accounts().iter().find(|account| account.name == name).cloned()
    }

    /// A counter over all shards. Wraps as the counters do.
    pub(crate) fn total(&self, counter: Counter) -> u64 {
        let shards = self.source.shards().iter();
        shards.fold(0, |sum, shard| sum.wrapping_add(shard.get(counter)))
    }
}

impl<S: Source> Desk<S> {
    /// A desk that nobody has asked anything. Long answers are worded by `wording`.
    pub fn new(source: Rc<S>, wording: Wording) -> Desk<S> {
        let facts = source.facts();
        Desk {
            requests: RequestCounts::default(),
            process: Process::new(facts.start_ns),
            wording,
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

    /// Waits until `budget` has something left for one more request.
    pub(crate) async fn wait_for(&self, budget: &Budget, cost: Cost) {
        budget.wait(cost, self.wording.spent()).await;
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, path: &str, query: &str) -> Reply {
        let Some(endpoint) = self.endpoint(path) else {
            return Reply::text(StatusCode::NOT_FOUND, "404 page not found\n");
        };
        self.requests.count(endpoint);
        let params = Params::parse(query);
        let scene = self.scene(Layout::Indented);
        let answered = match params.callback() {
            Ok(None) => ask(endpoint, &scene, &params).await,
            Ok(Some(callback)) => {
                ask(endpoint, &scene, &params).await.map(|reply| reply.wrapped(callback))
            }
            Err(bad_callback) => Err(bad_callback),
        };
        answered.unwrap_or_else(|bad_request| {
            Reply::text(StatusCode::BAD_REQUEST, bad_request.to_string())
        })
    }

    /// What an endpoint sees now.
    pub(crate) fn scene(&self, layout: Layout) -> Scene<'_, S> {
        Scene {
            source: &*self.source,
            requests: &self.requests,
            process: &self.process,
            wording: &self.wording,
            layout,
            now_ns: now_ns(),
        }
    }
}

async fn ask<S: Source>(
    endpoint: Endpoint,
    scene: &Scene<'_, S>,
    params: &Params<'_>,
) -> Result<Reply, BadRequest> {
    Ok(match endpoint {
        Endpoint::Root => root::answer(&scene.source.facts()),
        Endpoint::Varz => varz::answer(scene),
        Endpoint::Connz => connz::answer(scene, &connz::Request::from_query(params)?).await?,
        Endpoint::Subsz => subsz::answer(scene, &subsz::Request::from_query(params)?).await,
        Endpoint::Healthz => healthz::answer(scene, &healthz::Request::from_query(params)?).await,
        Endpoint::Explain => explain::answer(scene, &explain::Request::from_query(params)?).await,
        Endpoint::Console => console::page(),
        Endpoint::ConsoleScript => console::script(),
        Endpoint::ConsoleStyle => console::style(),
        Endpoint::Metrics => metrics::answer(scene).await,
        Endpoint::Routez => {
            switched_off::check_routez(params)?;
            switched_off::routez(scene)
        }
        Endpoint::Gatewayz => {
            switched_off::check_gatewayz(params)?;
            switched_off::gatewayz(scene)
        }
        Endpoint::Leafz => {
            switched_off::check_leafz(params)?;
            switched_off::leafz(scene)
        }
        Endpoint::Jsz => jsz::answer(scene, &jsz::Request::from_query(params)?).await,
        Endpoint::Raftz => switched_off::raftz(),
        Endpoint::Accountz => {
            accountz::answer(scene, &accountz::Request::from_query(params)).await?
        }
        Endpoint::Accstatz => {
            accstatz::answer(scene, &accstatz::Request::from_query(params)?).await
        }
        Endpoint::Ipqueuesz => ipqueuesz::answer(scene, &ipqueuesz::Request::from_query(params)?),
        Endpoint::Stacksz => stacksz::answer(),
        Endpoint::Expvars => expvars::answer(scene),
    })
}

#[cfg(test)]
mod tests;
