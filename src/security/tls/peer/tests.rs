//! Clients of several kinds before an authority that says what it is told to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use base::Verbosity;
use config::ocsp_peer::OcspCache;
use config::tls::Verify;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair, SigningKey,
};
use x509_cert::der::Encode;
use x509_cert::der::asn1::{BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspGeneralizedTime, OcspRequest, OcspResponse, ResponderId,
    ResponseData, RevokedInfo, SingleResponse, Version,
};

use super::*;

/// 2026-11-21T09:17:57Z
const NOW_S: u64 = 1_795_252_677;
const HOUR_S: u64 = 3600;
const LEAF: u8 = 0x11;
const MIDDLE: u8 = 0x12;

/// What is said of each certificate, by its serial number, and until when.
type Says = Vec<(u8, CertStatus, Option<u64>)>;

/// Answers on a thread of its own. Dropping it ends it.
struct Responder {
    url: String,
    asked: Arc<AtomicUsize>,
    says: Arc<Mutex<Says>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Responder {
    /// Signs with the key that stands in `key_pem`.
    fn start(key_pem: &str) -> Responder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (asked, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let says = Arc::<Mutex<Says>>::default();
        let key = KeyPair::from_pem(key_pem).expect("a key");
        let thread = {
            let (asked, is_over, says) =
                (Arc::clone(&asked), Arc::clone(&is_over), Arc::clone(&says));
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    asked.fetch_add(1, Ordering::AcqRel);
                    serve(stream.expect("a client"), &key, &says.lock().expect("no panic"));
                }
            })
        };
        Responder { url, asked, says, is_over, thread: Some(thread) }
    }

    fn say(&self, says: Says) {
        *self.says.lock().expect("no panic") = says;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Wakes it; where that fails it is gone.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Answers one request. Of a certificate that is not listed it says `tryLater`.
fn serve(stream: TcpStream, key: &KeyPair, says: &Says) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut len) = (String::new(), 0);
    while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
        let lower = line.to_ascii_lowercase();
        if let Some(found) = lower.strip_prefix("content-length:") {
            len = found.trim().parse().expect("a number");
        }
        line.clear();
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).expect("a request");
    let request = OcspRequest::from_der(&body).expect("a request").tbs_request;
    let id = request.request_list[0].req_cert.clone();
    let known = says.iter().find(|(serial, ..)| id.serial_number.as_bytes() == [*serial]);
    let answer = match known {
        None => OcspResponse::try_later(),
        Some((_, cert_status, until_s)) => {
            let one = SingleResponse {
                cert_id: id,
                cert_status: *cert_status,
                this_update: time(NOW_S - 60),
                next_update: until_s.map(time),
                single_extensions: None,
            };
            OcspResponse::successful(signed(one, key)).expect("encodes")
        }
    };
    let answer = answer.to_der().expect("encodes");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", answer.len());
    let stream = stream.get_mut();
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(b"Connection: close\r\n\r\n");
    let _ = stream.write_all(&answer);
}

fn signed(one: SingleResponse, key: &KeyPair) -> BasicOcspResponse {
    let tbs_response_data = ResponseData {
        version: Version::V1,
        responder_id: ResponderId::ByKey(OctetString::new(vec![0; 20]).expect("short")),
        produced_at: time(NOW_S - 60),
        responses: vec![one],
        response_extensions: None,
    };
    let signature = key.sign(&tbs_response_data.to_der().expect("encodes")).expect("signed");
    // ecdsa-with-SHA256
    let oid = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
    BasicOcspResponse {
        tbs_response_data,
        signature_algorithm: AlgorithmIdentifierOwned { oid, parameters: None },
        signature: BitString::from_bytes(&signature).expect("short"),
        certs: None,
    }
}

fn time(seconds: u64) -> OcspGeneralizedTime {
    let time = GeneralizedTime::from_unix_duration(Duration::from_secs(seconds));
    OcspGeneralizedTime(time.expect("before 9999"))
}

fn revoked() -> CertStatus {
    CertStatus::revoked(RevokedInfo { revocation_time: time(NOW_S - 120), revocation_reason: None })
}

fn good() -> CertStatus {
    CertStatus::Good(Null)
}

/// An extension that names a responder.
fn named(url: &str) -> CustomExtension {
    let oid = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1];
    let uri = [&[0x86, url.len() as u8][..], url.as_bytes()].concat();
    let one = [&[0x30, (oid.len() + uri.len()) as u8][..], &oid, &uri].concat();
    let all = [&[0x30, one.len() as u8][..], &one].concat();
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], all)
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A root, an authority under it, a client under that, and a check of such clients.
struct Scene {
    shown: Vec<CertificateDer<'static>>,
    root: Responder,
    middle: Responder,
    tls: Tls,
    /// With the root's certificate.
    _folder: tempfile::TempDir,
    cache: Arc<ResponseCache>,
    lines: crossbeam_channel::Receiver<base::log::Line>,
    outside: PeerOutside,
    events: Arc<Mutex<Vec<PeerFault>>>,
}

impl Scene {
    fn new(options: OcspCache) -> Scene {
        let (root_key, middle_key) = (KeyPair::generate(), KeyPair::generate());
        let (root_key, middle_key) = (root_key.expect("a key"), middle_key.expect("a key"));
        let root = Responder::start(&root_key.serialize_pem());
        let middle = Responder::start(&middle_key.serialize_pem());
        let root_params = authority_params("root");
        let root_pem = root_params.self_signed(&root_key).expect("signed").pem();
        let root_issuer = Issuer::new(root_params, root_key);
        let mut params = authority_params("middle");
        params.serial_number = Some(vec![MIDDLE].into());
        params.custom_extensions.push(named(&root.url));
        let middle_cert = params.signed_by(&middle_key, &root_issuer).expect("signed");
        let middle_issuer = Issuer::new(params, middle_key);
        let mut params = CertificateParams::new(vec!["client".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::OrganizationName, "clients");
        params.serial_number = Some(vec![LEAF].into());
        params.custom_extensions.push(named(&middle.url));
        let key = KeyPair::generate().expect("a key");
        let leaf = params.signed_by(&key, &middle_issuer).expect("signed");
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, root_pem).expect("written");
        let ocsp_peer = OcspPeer { verify: true, ..OcspPeer::default() };
        let (ca_file, verify) = (Some(ca_file), Verify::Certificate);
        let (log, lines) = Log::bounded(100, Verbosity::default());
        let events = Arc::<Mutex<Vec<PeerFault>>>::default();
        let told = Arc::clone(&events);
        let observer: Observer = Arc::new(move |observed| {
            let Observed::Peer(fault) = observed else { panic!("only of peers") };
            told.lock().expect("no panic").push(*fault);
            true
        });
        let cache = Arc::new(ResponseCache::new(&options));
        let outside = PeerOutside { log, observer, cache: Some(Arc::clone(&cache)) };
        let shown = vec![leaf.der().clone(), middle_cert.der().clone()];
        let tls = Tls { ca_file, verify, ocsp_peer, ..Tls::default() };
        Scene { shown, root, middle, tls, _folder: folder, cache, lines, outside, events }
    }

    fn check(&self) -> PeerCheck {
        let made = PeerCheck::new(&self.tls, self.outside.clone());
        made.expect("the file is good").expect("asked for")
    }

    fn judge(&self, asking: Asking) -> Judgement {
        self.check().judge(&self.shown, asking, NOW_S)
    }

    fn events(&self) -> Vec<PeerFault> {
        std::mem::take(&mut self.events.lock().expect("no panic"))
    }

    fn log(&self) -> String {
        self.lines.try_iter().map(|line| line.text + "\n").collect()
    }
}

const REFUSED: Judgement = Judgement::Refused("client not OCSP valid");

#[test]
fn each_link_is_asked_about_once_and_then_known() {
    let scene = Scene::new(OcspCache::default());
    scene.root.say(vec![(MIDDLE, good(), Some(NOW_S + HOUR_S))]);
    scene.middle.say(vec![(LEAF, good(), None)]);
    assert_eq!(scene.judge(Asking::No), Judgement::MustAsk);
    assert_eq!(scene.judge(Asking::Yes), Judgement::Good);
    assert_eq!(scene.judge(Asking::No), Judgement::Good);
    assert_eq!((scene.root.asked(), scene.middle.asked()), (1, 1));
    let figures = scene.cache.figures();
    assert_eq!((figures.hits, figures.misses, figures.good), (2, 2, 2));
    // What does not say until when it is good is asked about again after an hour.
    let later_s = NOW_S + 2 * HOUR_S;
    let check = scene.check();
    assert_eq!(check.judge(&scene.shown, Asking::No, later_s), Judgement::MustAsk);
    assert_eq!(scene.events(), []);
    let strangers = Scene::new(OcspCache::default());
    assert_eq!(check.judge(&strangers.shown, Asking::Yes, NOW_S), REFUSED, "another root's");
    assert_eq!(check.judge(&[], Asking::Yes, NOW_S), REFUSED);
}

#[test]
fn one_bad_link_is_enough_and_is_told() {
    let scene = Scene::new(OcspCache::default());
    scene.root.say(vec![(MIDDLE, revoked(), Some(NOW_S + HOUR_S))]);
    scene.middle.say(vec![(LEAF, good(), Some(NOW_S + HOUR_S))]);
    assert_eq!(scene.judge(Asking::Yes), REFUSED);
    let [link, connection] = &scene.events()[..] else { panic!("two events") };
    let PeerPart::Link(of) = &link.about else { panic!("{link:?}") };
    assert_eq!((&of.subject[..], &of.issuer[..]), ("CN=middle", "CN=root"));
    assert_eq!(link.reason, "Invalid OCSP response status: revoked");
    assert_eq!(connection.about, PeerPart::Connection);
    assert_eq!(connection.reason, "client not OCSP valid");
    assert!(connection.peer.subject.contains("O=clients"), "{connection:?}");
    assert_eq!(connection.peer.der, scene.shown[0].to_vec());
    let hash = BASE64.encode(&Sha256::digest(&scene.shown[0]));
    assert_eq!(connection.peer.fingerprint, hash);
    assert_eq!(scene.judge(Asking::No), REFUSED, "that is known now");
}

#[test]
fn what_rules_allow_passes() {
    let mut scene = Scene::new(OcspCache::default());
    scene.root.say(vec![(MIDDLE, good(), Some(NOW_S + HOUR_S))]);
    scene.middle.say(vec![(LEAF, CertStatus::Unknown(Null), Some(NOW_S + HOUR_S))]);
    assert_eq!(scene.judge(Asking::Yes), REFUSED);
    scene.tls.ocsp_peer.unknown_is_good = true;
    assert_eq!(scene.judge(Asking::Yes), Judgement::Good);
    scene.middle.say(vec![(LEAF, revoked(), Some(NOW_S + HOUR_S))]);
    scene.cache.forget(&fingerprint(&scene.shown[0]));
    assert_eq!(scene.judge(Asking::Yes), REFUSED);
    scene.log();
    scene.events();
    scene.tls.ocsp_peer.faults = Faults::Logged;
    assert_eq!(scene.judge(Asking::Yes), Judgement::Good);
    assert!(scene.log().contains("but warn_only set so allowing"));
    assert_eq!(scene.events(), []);
}

#[test]
fn what_may_not_be_believed_says_nothing() {
    let mut scene = Scene::new(OcspCache::default());
    scene.root.say(vec![(MIDDLE, good(), Some(NOW_S + HOUR_S))]);
    scene.middle.say(vec![(LEAF, good(), Some(NOW_S - 31))]);
    assert_eq!(scene.judge(Asking::Yes), REFUSED);
    assert!(scene.log().contains("OCSP response not in effectivity window"));
    scene.tls.ocsp_peer.clock_skew = Duration::from_secs(31);
    assert_eq!(scene.judge(Asking::Yes), Judgement::Good);
    // A responder that does not want to answer.
    let silent = Scene::new(OcspCache::default());
    assert_eq!(silent.judge(Asking::Yes), REFUSED);
    assert!(silent.log().contains("OCSP responder answers tryLater"));
}

/// What is asked about the client of a scene.
fn question(scene: &Scene) -> Question {
    let [leaf, issuer] = &scene.shown[..] else { panic!("two certificates") };
    let leaf = Certificate::from_der(leaf).expect("a certificate");
    Question::new(&leaf, Certificate::from_der(issuer).expect("a certificate")).expect("a question")
}

#[test]
fn an_answer_of_a_stranger_or_about_another_says_nothing() {
    let (one, other) = (Scene::new(OcspCache::default()), Scene::new(OcspCache::default()));
    let request = question(&one).request().expect("encodes");
    let request = OcspRequest::from_der(&request).expect("a request").tbs_request;
    let about = SingleResponse {
        cert_id: request.request_list[0].req_cert.clone(),
        cert_status: good(),
        this_update: time(NOW_S - 60),
        next_update: None,
        single_extensions: None,
    };
    let stranger = KeyPair::generate().expect("a key");
    let answer = OcspResponse::successful(signed(about, &stranger)).expect("encodes");
    let answer = answer.to_der().expect("encodes");
    assert_eq!(question(&one).read(&answer, NOW_S), Err(OcspError::Signature));
    assert_eq!(question(&other).read(&answer, NOW_S), Err(OcspError::OtherCertificate));
}

#[test]
fn a_responder_that_is_gone_is_overlooked_only_for_who_was_never_revoked() {
    for (preserve_revoked, expected) in [(false, Judgement::Good), (true, REFUSED)] {
        let mut scene = Scene::new(OcspCache { preserve_revoked, ..OcspCache::default() });
        scene.root.say(vec![(MIDDLE, good(), Some(NOW_S + 9 * HOUR_S))]);
        scene.middle.say(vec![(LEAF, revoked(), Some(NOW_S + HOUR_S))]);
        assert_eq!(scene.judge(Asking::Yes), REFUSED);
        scene.middle = Responder::start(&KeyPair::generate().expect("a key").serialize_pem());
        scene.tls.ocsp_peer.responder_timeout = Duration::from_millis(300);
        scene.tls.ocsp_peer.allow_when_unreachable = true;
        let later_s = NOW_S + 3 * HOUR_S;
        let check = scene.check();
        // The first time it is known from before that the answer that is too old said revoked.
        assert_eq!(check.judge(&scene.shown, Asking::Yes, later_s), REFUSED);
        assert_eq!(check.judge(&scene.shown, Asking::Yes, later_s), expected);
    }
}

#[test]
fn who_needs_the_same_answer_waits_for_it() {
    let scene = Scene::new(OcspCache::default());
    scene.root.say(vec![(MIDDLE, good(), Some(NOW_S + HOUR_S))]);
    scene.middle.say(vec![(LEAF, good(), Some(NOW_S + HOUR_S))]);
    let check = scene.check();
    std::thread::scope(|scope| {
        // The responder is busy until all wait.
        let busy = scene.middle.says.lock().expect("no panic");
        let judging: Vec<_> =
            (0..4).map(|_| scope.spawn(|| check.judge(&scene.shown, Asking::Yes, NOW_S))).collect();
        while scene.middle.asked() == 0 {
            std::thread::yield_now();
        }
        drop(busy);
        for one in judging {
            assert_eq!(one.join().expect("no panic"), Judgement::Good);
        }
    });
    assert_eq!((scene.root.asked(), scene.middle.asked()), (1, 1));
}
