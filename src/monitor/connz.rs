//! `/connz`: who is connected, or was (spec/monitoring.md §4).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use base::ClientId;
use base::snapshot::{ClosedSnapshot, ConnectionSnapshot, SubscriptionSnapshot, TokenSnapshot};
use serde::{Deserialize, Serialize, Serializer};

use crate::answer::Scene;
use crate::params::{BadRequest, Paging, Params};
use crate::reply::Reply;
use crate::source::{Source, SubscriptionQuery};
use crate::subsz::{SubDetail, is_zero};
use crate::text::{Moment, RoundTrip, Uptime};
use crate::varz::is_false;

mod order;

use order::Sort;

/// Subscriptions listed in one answer. Beyond it the lists end; `subscriptions` still counts all.
const SUBSCRIPTIONS_LISTED_MAX: usize = 262_144;

pub(crate) async fn answer<S: Source>(
    scene: &Scene<'_, S>,
    request: &Request,
) -> Result<Reply, BadRequest> {
    let (paging, now_ns) = (request.paging, scene.now_ns);
    if request.account.as_deref().is_some_and(|name| scene.account(name).is_none()) {
        // spec/monitoring.md §4: an unknown account returns an empty object, not an error.
        return Ok(scene.json(&Connz::empty(paging, now_ns)));
    }
    let open = match request.state {
        State::Open | State::All => scene.source.connections().await,
        State::Closed | State::Neither => Vec::new(),
    };
    let closed = match request.state {
        State::Closed | State::All => scene.source.closed(),
        State::Open | State::Neither => Vec::new(),
    };
    let mut rows = rows(&open, &closed, request.account.as_deref());
    let total = rows.len();
    rows.retain(|row| request.admits(row));
    // Nobody listens on what is no subject.
    if request.filter_subject.as_ref().is_some_and(|filter| !is_subject(filter)) {
        rows.clear();
    } else if let Some(filter) = &request.filter_subject {
        let listening = holders_of(scene.source, filter, request.account.as_deref()).await;
        rows.retain(|row| row.listens(filter, &listening));
    }
    order::sort(&mut rows, request.sort, now_ns);
    // One connection that is asked for by its id stands on the first page.
    let offset = if request.cid.is_some() { 0 } else { paging.offset };
    let page: Vec<Row<'_>> = rows.into_iter().skip(offset).take(paging.limit).collect();
    let lists = match request.lists {
        Lists::None => HashMap::new(),
        Lists::Subjects | Lists::Details => lists_of(scene.source, &page).await,
    };
    let page: Vec<Place> = page.into_iter().map(|row| row.place).collect();
    let rows = page.len() + lists.values().map(Vec::len).sum::<usize>();
    let (server_id, request) = (scene.source.facts().server_id.clone(), request.clone());
    let listing = Listing { server_id, now_ns, request, total, open, closed, page, lists };
    Ok(scene.worded(listing, rows).await)
}

/// Which connections are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    All,
    /// A number that means nothing: nothing is in it.
    Neither,
}

/// What is said of their subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lists {
    None,
    Subjects,
    Details,
}

/// Whether users and accounts are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    Hidden,
    Shown,
}

/// What a system request may ask for (spec/monitoring.md §13, ConnzOptions).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    sort: String,
    auth: bool,
    subscriptions: bool,
    subscriptions_detail: bool,
    offset: i64,
    limit: i64,
    cid: u64,
    mqtt_client: String,
    state: i64,
    user: String,
    acc: String,
    filter_subject: String,
}

/// What is asked for, checked.
#[derive(Clone)]
pub(crate) struct Request {
    sort: Sort,
    names: Names,
    lists: Lists,
    paging: Paging,
    cid: Option<ClientId>,
    state: State,
    user: Option<String>,
    account: Option<String>,
    mqtt_client: Option<String>,
    filter_subject: Option<String>,
}

impl Request {
    // The order of the checks is nats-server's: it decides which of two errors is told.
    pub(crate) fn from_query(params: &Params<'_>) -> Result<Request, BadRequest> {
        let names = if params.boolean("auth")? { Names::Shown } else { Names::Hidden };
        let lists = match params.text("subs").to_ascii_lowercase().as_str() {
            "detail" => Lists::Details,
            _ if params.boolean("subs")? => Lists::Subjects,
            _ => Lists::None,
        };
        let paging = params.paging()?;
        let cid = params.uint("cid")?;
        let state = state(params.text("state"))?;
        let text = |key| params.some_text(key).map(str::to_owned);
        Request {
            sort: Sort::Cid,
            names,
            lists,
            paging,
            cid: Some(cid).filter(|&cid| cid > 0).map(ClientId),
            state,
            user: text("user"),
            account: text("acc"),
            mqtt_client: text("mqtt_client"),
            filter_subject: None,
        }
        .sorted(params.text("sort"))
    }

    pub(crate) fn from_options(options: Options) -> Result<Request, BadRequest> {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let request = Request {
            sort: Sort::Cid,
            names: if options.auth { Names::Shown } else { Names::Hidden },
            lists: match options {
                Options { subscriptions_detail: true, .. } => Lists::Details,
                Options { subscriptions: true, .. } => Lists::Subjects,
                _ => Lists::None,
            },
            paging: Paging::of(options.offset, options.limit),
            cid: Some(options.cid).filter(|&cid| cid > 0).map(ClientId),
            // spec/monitoring.md §13: 0 open, 1 closed, 2 all.
            state: match options.state {
                0 => State::Open,
                1 => State::Closed,
                2 => State::All,
                _ => State::Neither,
            },
            user: text(options.user),
            account: text(options.acc),
            mqtt_client: text(options.mqtt_client),
            // All subjects are no filter.
            filter_subject: text(options.filter_subject).filter(|filter| filter != ">"),
        }
        .sorted(&options.sort)?;
        match request.filter_subject.is_some() && request.account.is_none() {
            true => Err(BadRequest::FilterNeedsAccount),
            false => Ok(request),
        }
    }

    /// Only those of one account.
    pub(crate) fn of_account(options: Options, name: &str) -> Result<Request, BadRequest> {
        Request::from_options(Options { acc: name.to_owned(), ..options })
    }

    fn sorted(mut self, by: &str) -> Result<Request, BadRequest> {
        self.sort = Sort::named(by)?;
        if self.cid.is_some() {
            self.paging.limit = 1;
        }
        match self.sort.closed_only() {
            Some(option) if self.state != State::Closed => Err(BadRequest::SortNeedsClosed(option)),
            _ => Ok(self),
        }
    }

    fn admits(&self, row: &Row<'_>) -> bool {
        let connection = row.connection;
        self.cid.is_none_or(|cid| connection.cid == cid)
            && self.user.as_ref().is_none_or(|user| connection.authorized_user == *user)
            // No connection speaks MQTT yet.
            && self.mqtt_client.is_none()
    }
}

fn is_subject(text: &str) -> bool {
    subject::name::is_valid_subscription(text.as_bytes())
}

fn state(text: &str) -> Result<State, BadRequest> {
    match text.to_ascii_lowercase().as_str() {
        "" | "open" => Ok(State::Open),
        "closed" => Ok(State::Closed),
        "any" | "all" => Ok(State::All),
        _ => Err(BadRequest::State(text.into())),
    }
}

/// One connection in the answer.
#[derive(Clone, Copy)]
struct Row<'a> {
    place: Place,
    connection: &'a ConnectionSnapshot,
    /// How it ended, when it did.
    end: Option<&'a ClosedSnapshot>,
}

/// Where a connection stands in what was gathered.
#[derive(Clone, Copy)]
enum Place {
    Open(usize),
    Closed(usize),
}

type ListsByCid = HashMap<ClientId, Vec<SubscriptionSnapshot>>;

impl<'a> Row<'a> {
    /// Whether a subscription of its overlaps with `filter`.
    fn listens(&self, filter: &str, listening: &HashSet<ClientId>) -> bool {
        let overlaps =
            |subject: &str| subject::name::overlap(subject.as_bytes(), filter.as_bytes());
        match self.end {
            Some(closed) => {
                closed.connection.subscriptions_list.iter().any(|one| overlaps(&one.subject))
            }
            None => listening.contains(&self.connection.cid),
        }
    }

    /// The moment up to which it lived.
    fn until_ns(&self, now_ns: u64) -> u64 {
        self.end.map_or(now_ns, |closed| closed.stop_ns)
    }

    fn list(&self, lists: &'a ListsByCid) -> &'a [SubscriptionSnapshot] {
        match self.end {
            Some(closed) => &closed.connection.subscriptions_list,
            None => lists.get(&self.connection.cid).map_or(&[], Vec::as_slice),
        }
    }
}

fn rows<'a>(
    open: &'a [ConnectionSnapshot],
    closed: &'a [Arc<ClosedSnapshot>],
    account: Option<&str>,
) -> Vec<Row<'a>> {
    let open = (0..open.len()).map(|at| row(open, closed, Place::Open(at)));
    let closed_rows = (0..closed.len()).map(|at| row(&[], closed, Place::Closed(at)));
    open.chain(closed_rows)
        .filter(|row| account.is_none_or(|name| row.connection.account == name))
        .collect()
}

fn row<'a>(
    open: &'a [ConnectionSnapshot],
    closed: &'a [Arc<ClosedSnapshot>],
    place: Place,
) -> Row<'a> {
    match place {
        Place::Open(at) => Row { place, connection: &open[at], end: None },
        Place::Closed(at) => {
            let ended = &*closed[at];
            Row { place, connection: &ended.connection, end: Some(ended) }
        }
    }
}

/// The open connections with a subscription that overlaps with `filter`.
async fn holders_of<S: Source>(
    source: &S,
    filter: &str,
    account: Option<&str>,
) -> HashSet<ClientId> {
    let query = SubscriptionQuery {
        account: account.map(str::to_owned),
        overlapping: Some(filter.to_owned()),
        take: SUBSCRIPTIONS_LISTED_MAX,
        ..SubscriptionQuery::default()
    };
    let found = source.subscriptions(query).await.subscriptions;
    found.into_iter().map(|subscription| subscription.cid).collect()
}

/// The subscriptions of the page's open connections: asked for after paging, so that their number
/// follows the page and not the server.
async fn lists_of<S: Source>(source: &S, page: &[Row<'_>]) -> ListsByCid {
    let mut cids: Vec<ClientId> =
        page.iter().filter(|row| row.end.is_none()).map(|row| row.connection.cid).collect();
    cids.sort_unstable();
    let mut lists = ListsByCid::new();
    if cids.is_empty() {
        return lists;
    }
    let query = SubscriptionQuery {
        held_by: Some(cids.into()),
        take: SUBSCRIPTIONS_LISTED_MAX,
        ..SubscriptionQuery::default()
    };
    for subscription in source.subscriptions(query).await.subscriptions {
        lists.entry(subscription.cid).or_default().push(subscription);
    }
    lists
}

/// All that the answer is made of: its words are written somewhere else.
struct Listing {
    server_id: String,
    now_ns: u64,
    request: Request,
    /// Connections before paging.
    total: usize,
    open: Vec<ConnectionSnapshot>,
    closed: Vec<Arc<ClosedSnapshot>>,
    page: Vec<Place>,
    lists: ListsByCid,
}

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Paging { offset, limit } = self.request.paging;
        Connz {
            server_id: &self.server_id,
            now: Moment(self.now_ns),
            num_connections: self.page.len(),
            total: self.total,
            offset,
            limit,
            connections: Some(Connections(self)),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct Connz<'a> {
    server_id: &'a str,
    now: Moment,
    num_connections: usize,
    total: usize,
    offset: usize,
    limit: usize,
    connections: Option<Connections<'a>>,
}

impl Connz<'_> {
    fn empty(paging: Paging, now_ns: u64) -> Connz<'static> {
        Connz {
            server_id: "",
            now: Moment(now_ns),
            num_connections: 0,
            total: 0,
            offset: paging.offset,
            limit: paging.limit,
            connections: None,
        }
    }
}

/// The connections on the page, one after the other: there may be very many.
struct Connections<'a>(&'a Listing);

impl Serialize for Connections<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Listing { request, open, closed, page, lists, now_ns, .. } = self.0;
        serializer.collect_seq(page.iter().map(|&place| {
            let row = row(open, closed, place);
            ConnInfo::of(&row, request, row.list(lists), *now_ns)
        }))
    }
}

/// A trusted proxy, in `/connz` and `/varz`.
#[derive(Serialize)]
pub(crate) struct Proxy<'a> {
    pub(crate) key: &'a str,
}

#[derive(Serialize)]
struct ConnInfo<'a> {
    cid: u64,
    kind: &'static str,
    #[serde(rename = "type")]
    wire: &'static str,
    ip: IpAddr,
    port: u16,
    start: Moment,
    last_activity: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    rtt: RoundTrip,
    uptime: Uptime,
    idle: Uptime,
    pending_bytes: u64,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    stalls: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    lang: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_cipher_suite: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    tls_first: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    authorized_user: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    account: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<SubDetail<'a>>,
    #[serde(flatten)]
    token: Option<&'a TokenSnapshot>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name_tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<Proxy<'a>>,
}

impl<'a> ConnInfo<'a> {
    fn of(
        row: &Row<'a>,
        request: &Request,
        list: &'a [SubscriptionSnapshot],
        now_ns: u64,
    ) -> ConnInfo<'a> {
        let connection = row.connection;
        let until_ns = row.until_ns(now_ns);
        let detail = |one: &'a SubscriptionSnapshot| match row.end {
            None => SubDetail::bare(one),
            Some(_) => SubDetail::with_account(one, &connection.account_tag),
        };
        let (subjects, details) = match request.lists {
            Lists::None => (Vec::new(), Vec::new()),
            Lists::Subjects => (list.iter().map(|one| one.subject.as_str()).collect(), Vec::new()),
            Lists::Details => (Vec::new(), list.iter().map(detail).collect()),
        };
        // spec/monitoring.md §4: user and account with auth=1, and $G is not named.
        let (authorized_user, account) = match (request.names, connection.account.as_str()) {
            (Names::Hidden, _) => ("", ""),
            (Names::Shown, "$G") => (connection.authorized_user.as_str(), ""),
            (Names::Shown, account) => (connection.authorized_user.as_str(), account),
        };
        // The same, of what its token says.
        let token = connection.token.as_deref().filter(|_| request.names == Names::Shown);
        // Seen of nats-server 2.15.2: $G is named here, but not by those that are closed.
        let name_tag = match (request.names, row.end, connection.account.as_str()) {
            (Names::Hidden, ..) | (_, Some(_), "$G") => "",
            (Names::Shown, ..) => &connection.account_tag,
        };
        let tls = connection.tls.as_ref();
        ConnInfo {
            cid: connection.cid.0,
            kind: "Client",
            wire: "nats",
            ip: connection.peer.ip().to_canonical(),
            port: connection.peer.port(),
            start: Moment(connection.start_ns),
            last_activity: Moment(connection.last_activity_ns),
            stop: row.end.map(|closed| Moment(closed.stop_ns)),
            reason: row.end.map(|closed| closed.reason),
            rtt: RoundTrip(connection.rtt_ns),
            uptime: Uptime { from_ns: connection.start_ns, to_ns: until_ns },
            idle: Uptime { from_ns: connection.last_activity_ns, to_ns: until_ns },
            pending_bytes: connection.pending_bytes,
            in_msgs: connection.in_msgs,
            out_msgs: connection.out_msgs,
            in_bytes: connection.in_bytes,
            out_bytes: connection.out_bytes,
            stalls: connection.stalls,
            subscriptions: connection.subscriptions,
            name: &connection.name,
            lang: &connection.lang,
            version: &connection.version,
            tls_version: tls.map_or("", |tls| tls.version),
            tls_cipher_suite: tls.map_or("", |tls| tls.cipher_suite.as_str()),
            tls_first: tls.is_some_and(|tls| tls.first),
            authorized_user,
            account,
            subscriptions_list: subjects,
            subscriptions_list_detail: details,
            token,
            name_tag,
            proxy: connection.proxy.as_deref().map(|key| Proxy { key }),
        }
    }
}
