//! Questions as a service reads them, and answers that are worth nothing: the service of a
//! configuration here, that of an account in `of_account.rs`.

mod of_account;

use std::sync::Arc;
use std::time::Duration;

use base::{ClientId, ConnSlot, ShardId};
use config::callout::Callout as Config;
use config::options::{Auth, User as ConfigUser};
use nkeys::{KeyPair, XKey};

use super::answer::Mistrust;
use super::*;
use crate::jwt::TokenError;
use crate::jwt::{
    AuthorizationRequest, AuthorizationResponse, Claims, ConnectOptions, Grant, ServerId, User,
};
use crate::{Checked, Credentials, Denied, Directory, Effort, LoginRequest, Session, Ticket};

const NOW_S: i64 = 1_800_000_000;

/// A server with a service, and what that needs to answer.
struct Scene {
    directory: Arc<Directory>,
    keys: ServerKeys,
    issuer: KeyPair,
    curve: Option<XKey>,
}

impl Scene {
    fn new(curve: Option<XKey>, allowed: &[&str]) -> Scene {
        let issuer = KeyPair::new_account();
        let auth = Auth::Users(vec![ConfigUser::with_password("service", "s")]);
        let mut options = Options { auth, ..Options::default() };
        let mut other = config::accounts::Account::new("A");
        other.users.push(ConfigUser::with_password("ann", "a"));
        options.accounts.declared.push(other);
        options.accounts.declared.push(config::accounts::Account::new("B"));
        options.accounts.callout = Some(Config {
            issuer: issuer.public_key(),
            account: None,
            auth_users: vec!["service".into()],
            xkey: curve.as_ref().map(XKey::public_key),
            allowed_accounts: allowed.iter().map(|name| (*name).to_owned()).collect(),
        });
        let directory = Arc::new(Directory::new(&options, None).expect("a directory"));
        Scene { directory, keys: ServerKeys::new(), issuer, curve }
    }

    fn ask(&self) -> Question {
        let ticket = Ticket { shard: ShardId(0), slot: ConnSlot(1), cid: ClientId(2) };
        let credentials = Credentials { user: "ann", pass: "x", ..Credentials::default() };
        let options =
            ConnectOptions { user: "ann".into(), pass: "x".into(), ..ConnectOptions::default() };
        let timeout = Duration::from_secs(2);
        let applicant = Applicant { options, timeout, ..Applicant::default() };
        let request = LoginRequest {
            ticket,
            credentials: credentials.keep(),
            directory: Arc::clone(&self.directory),
            applicant: Some(Box::new(applicant)),
            until_ns: u64::MAX,
            attempts: 0,
        };
        let Checked::Delegated(callout, request) = Box::new(request).check() else {
            panic!("nobody is asked")
        };
        let asked = ask(callout, *request, &self.keys, &ServerId::default(), NOW_S);
        asked.ok().expect("a question")
    }

    /// The question as the service reads it.
    fn read(&self, question: &Question) -> Claims<AuthorizationRequest> {
        let opened = self.curve.as_ref().map(|curve| {
            let server = XKey::from_public_key(&self.keys.xkey()).expect("a key");
            curve.open(&question.payload, &server).expect("opens")
        });
        let token = opened.as_ref().unwrap_or(&question.payload);
        Claims::decode(str::from_utf8(token).expect("text")).expect("a request")
    }

    fn user(&self, question: &Question, account: &str) -> Claims<User> {
        let grant = Grant::everything();
        let subject = self.read(question).content.user_nkey;
        let mut user = Claims::new(subject, User { grant, ..User::default() });
        user.audience = account.to_owned();
        user
    }

    fn response(&self, question: &Question, user: &Claims<User>) -> Claims<AuthorizationResponse> {
        let jwt = user.clone().encode(&self.issuer, NOW_S).expect("signs");
        let request = self.read(question);
        let content = AuthorizationResponse { jwt, ..AuthorizationResponse::default() };
        let mut response = Claims::new(request.content.user_nkey, content);
        response.audience = request.content.server_id.id;
        response
    }

    fn judge(
        &self,
        question: Question,
        payload: Vec<u8>,
    ) -> (Result<Session, Denied>, Option<Mistrust>) {
        let answer = Answer { waiting: question.waiting, payload };
        let mistrust = answer.session(&self.keys, NOW_S).err();
        match answer.judge(&self.keys, NOW_S) {
            Judged::Verdict(verdict) => (verdict.session, mistrust),
            Judged::Unseen(account, _) => panic!("{account} is known"),
        }
    }
}

#[test]
fn who_is_asked_about() {
    let scene = Scene::new(None, &["A"]);
    let effort =
        |user, pass| scene.directory.effort(&Credentials { user, pass, ..Credentials::default() });
    assert_eq!(effort("service", "s"), Effort::Quick);
    for user in ["ann", "nobody", ""] {
        assert_eq!(effort(user, "a"), Effort::Asked(AccountId::GLOBAL), "{user:?}");
    }
    // Its right password does not let it in past the service.
    let ann = Credentials { user: "ann", pass: "a", ..Credentials::default() };
    assert_eq!(scene.directory.login(&ann), Err(Denied::ByService(AccountId::GLOBAL)));
    let scene = Scene::new(None, &["B"]);
    assert!(scene.directory.login(&ann).is_ok(), "nobody asks about users of A");
    let stranger = Credentials { user: "nobody", ..Credentials::default() };
    assert!(scene.directory.login(&stranger).is_err());
}

#[test]
fn a_user_comes_in_as_the_service_says() {
    for curve in [None, Some(XKey::new())] {
        let scene = Scene::new(curve, &[]);
        let question = scene.ask();
        let request = scene.read(&question);
        assert_eq!(request.audience, "nats-authorization-request");
        assert_eq!((request.issuer, request.subject), (scene.keys.id(), scene.issuer.public_key()));
        assert_eq!(request.expires_s, NOW_S + 2);
        assert_eq!(request.content.connect_opts.pass, "x");
        assert_eq!(question.headers.is_empty(), scene.curve.is_none());
        let mut user = scene.user(&question, "B");
        user.name = "Ann of B".to_owned();
        user.expires_s = NOW_S + 60;
        user.content.grant.subscribe.deny.push("secret".into());
        let token = scene.response(&question, &user).encode(&scene.issuer, NOW_S).expect("signs");
        let payload = match &scene.curve {
            None => token.into_bytes(),
            Some(curve) => {
                let server = XKey::from_public_key(&scene.keys.xkey()).expect("a key");
                curve.seal(token.as_bytes(), &server).expect("seals")
            }
        };
        let (session, mistrust) = scene.judge(question, payload);
        assert_eq!(mistrust, None);
        let session = session.expect("comes in");
        let name = scene.directory.accounts().name(session.account);
        assert_eq!((session.user.as_str(), name.as_ref()), ("Ann of B", "B"));
        assert_eq!(session.expires_ns, Some((NOW_S as u64 + 60) * 1_000_000_000));
        assert!(session.permissions.is_some());
    }
}

#[test]
fn who_is_put_beside_the_service_may_not_ask_it() {
    let scene = Scene::new(None, &[]);
    let question = scene.ask();
    let user = scene.user(&question, "$G");
    let token = scene.response(&question, &user).encode(&scene.issuer, NOW_S).expect("signs");
    let session = scene.judge(question, token.into_bytes()).0.expect("comes in");
    let permissions = session.permissions.expect("some");
    assert!(!permissions.may_publish(SUBJECT.as_bytes()) && permissions.may_publish(b"a"));
    assert_eq!(session.user, "ann");
}

#[test]
fn answers_that_are_worth_nothing() {
    let scene = Scene::new(None, &[]);
    let judge = |question: Question, response: Claims<AuthorizationResponse>, pair: &KeyPair| {
        let token = response.encode(pair, NOW_S).expect("signs");
        let (session, mistrust) = scene.judge(question, token.into_bytes());
        assert_eq!(session, Err(Denied::ByService(AccountId::GLOBAL)));
        mistrust.expect("a reason")
    };
    let good = |question: &Question| scene.response(question, &scene.user(question, "A"));

    let (question, other) = (scene.ask(), KeyPair::new_account());
    let response = good(&question);
    assert_eq!(judge(question, response, &other), Mistrust::Issuer);

    let (question, earlier) = (scene.ask(), scene.ask());
    let response = good(&earlier);
    assert_eq!(judge(question, response, &scene.issuer), Mistrust::Subject, "of another login");

    let question = scene.ask();
    let mut response = good(&question);
    response.audience = KeyPair::new_server().public_key();
    assert_eq!(judge(question, response, &scene.issuer), Mistrust::Audience);

    let question = scene.ask();
    let mut response = good(&question);
    response.expires_s = NOW_S - 1;
    assert!(matches!(judge(question, response, &scene.issuer), Mistrust::Time(_)));

    let question = scene.ask();
    let mut response = good(&question);
    response.content.error = "no".to_owned();
    let mistrust = judge(question, response, &scene.issuer);
    assert_eq!(mistrust, Mistrust::Refused("no".to_owned()));

    for account in ["", "C"] {
        let question = scene.ask();
        let response = scene.response(&question, &scene.user(&question, account));
        let mistrust = judge(question, response, &scene.issuer);
        assert_eq!(mistrust, Mistrust::Account(account.to_owned()));
    }

    let question = scene.ask();
    let mut user = scene.user(&question, "A");
    user.content.issuer_account = scene.issuer.public_key();
    let response = scene.response(&question, &user);
    assert_eq!(judge(question, response, &scene.issuer), Mistrust::Issuer);

    let question = scene.ask();
    let mut user = scene.user(&question, "A");
    user.expires_s = NOW_S - 1;
    let response = scene.response(&question, &user);
    assert!(matches!(judge(question, response, &scene.issuer), Mistrust::User(_)));

    for (payload, expected) in
        [(&b""[..], Mistrust::Empty), (b"xkv1", TokenError::Malformed.into())]
    {
        let (session, mistrust) = scene.judge(scene.ask(), payload.to_vec());
        assert_eq!((session.is_err(), mistrust), (true, Some(expected)));
    }
}

#[test]
fn who_must_come_by_a_proxy_comes_by_one() {
    let scene = Scene::new(None, &[]);
    let question = scene.ask();
    let mut user = scene.user(&question, "A");
    user.content.grant.proxy_required = true;
    let token = scene.response(&question, &user).encode(&scene.issuer, NOW_S).expect("signs");
    let (session, mistrust) = scene.judge(question, token.into_bytes());
    assert_eq!((session, mistrust), (Err(Denied::ProxyRequired), Some(Mistrust::Proxy)));
}
