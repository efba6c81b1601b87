//! The service of an account of an operator: whom it is asked about, what its answers are worth,
//! and how long its word counts. spec/security.md §5

use config::resolver::Resolver;

use super::*;
use crate::jwt::{
    Account, AccountLimits, ExternalAuthorization, Operator, Scope, ScopeKind, SigningKey,
};
use crate::operator::{Circumstances, SeenAccount};
use crate::{AccountKey, Admission, Standing, Step};

const NOW_NS: u64 = NOW_S as u64 * 1_000_000_000;

/// An operator, the account of the service, and one into which it may put users.
struct World {
    operator: KeyPair,
    auth: KeyPair,
    /// A signing key of `auth`.
    signer: KeyPair,
    service: KeyPair,
    target: KeyPair,
    /// A scoped signing key of `target`.
    scoped: KeyPair,
    keys: ServerKeys,
    options: Options,
}

fn unlimited(pair: &KeyPair) -> Claims<Account> {
    let content = Account { limits: AccountLimits::unlimited(), ..Account::default() };
    Claims::new(pair.public_key(), content)
}

impl World {
    fn new() -> World {
        let operator = KeyPair::new_operator();
        let claims = Claims::new(operator.public_key(), Operator::default());
        let mut options = Options { resolver: Some(Resolver::Memory), ..Options::default() };
        options.operator.tokens = vec![claims.encode(&operator, NOW_S).expect("signs")];
        let [auth, signer, target, scoped] = std::array::from_fn(|_| KeyPair::new_account());
        let (service, keys) = (KeyPair::new_user(), ServerKeys::new());
        let mut world = World { operator, auth, signer, service, target, scoped, keys, options };
        world.add(world.auth_claims());
        world.add(world.target_claims());
        world
    }

    fn auth_claims(&self) -> Claims<Account> {
        let mut claims = unlimited(&self.auth);
        claims.content.authorization = ExternalAuthorization {
            auth_users: vec![self.service.public_key()],
            allowed_accounts: vec![self.target.public_key()],
            xkey: String::new(),
        };
        claims.content.signing_keys.push(SigningKey::Plain(self.signer.public_key()));
        claims
    }

    fn target_claims(&self) -> Claims<Account> {
        let mut claims = unlimited(&self.target);
        let mut template = Grant::everything();
        template.publish.deny = vec!["of.{{name()}}".to_owned()];
        claims.content.signing_keys.push(SigningKey::Scoped(Box::new(Scope {
            kind: ScopeKind::User,
            key: self.scoped.public_key(),
            role: String::new(),
            template,
            description: String::new(),
        })));
        claims
    }

    /// Lets the resolver have an account.
    fn add(&mut self, claims: Claims<Account>) {
        let key = claims.subject.clone();
        let token = claims.encode(&self.operator, NOW_S).expect("signs");
        self.options.operator.preload.insert(key, token);
    }

    /// A directory that knows these accounts, after `before`.
    fn knowing(&self, accounts: &[&KeyPair], before: Option<&Directory>) -> Arc<Directory> {
        let mut directory = Directory::new(&self.options, before).expect("a directory");
        for pair in accounts {
            let found = directory.fetch(&pair.public_key(), NOW_NS).expect("preloaded");
            directory = directory.with_accounts(&found, NOW_NS).0;
        }
        Arc::new(directory)
    }

    /// What the token of a user of the service's account leads to.
    fn check(&self, directory: &Arc<Directory>, token: &str) -> Checked {
        let credentials = Credentials { jwt: token, now_ns: NOW_NS, ..Credentials::default() };
        let ticket = Ticket { shard: ShardId(0), slot: ConnSlot(1), cid: ClientId(2) };
        let applicant = Applicant { timeout: Duration::from_secs(2), ..Applicant::default() };
        Box::new(LoginRequest {
            ticket,
            credentials: credentials.keep(),
            directory: Arc::clone(directory),
            applicant: Some(Box::new(applicant)),
            until_ns: u64::MAX,
            attempts: 0,
        })
        .check()
    }

    /// A bearer's token, signed by the service's account.
    fn sentinel(&self, change: impl FnOnce(&mut Claims<User>)) -> String {
        let grant = Grant { bearer_token: true, ..Grant::everything() };
        let content = User { grant, tags: vec!["team:a".into()], ..User::default() };
        let mut claims = Claims::new(KeyPair::new_user().public_key(), content);
        claims.name = "sentinel".to_owned();
        change(&mut claims);
        claims.encode(&self.auth, NOW_S).expect("signs")
    }

    fn ask(&self, directory: &Arc<Directory>) -> Question {
        let Checked::Delegated(callout, request) = self.check(directory, &self.sentinel(|_| {}))
        else {
            panic!("nobody is asked")
        };
        let asked = ask(callout, *request, &self.keys, &ServerId::default(), NOW_S);
        asked.ok().expect("a question")
    }

    fn read(&self, question: &Question) -> Claims<AuthorizationRequest> {
        let token = str::from_utf8(&question.payload).expect("text");
        Claims::decode(token).expect("a request")
    }

    /// A user of `account`, signed by `signer`.
    fn user(&self, question: &Question, account: &KeyPair, signer: &KeyPair) -> String {
        let grant = match signer.public_key() == self.scoped.public_key() {
            true => Grant::default(),
            false => Grant::everything(),
        };
        let mut content = User { grant, ..User::default() };
        if account.public_key() != signer.public_key() {
            content.issuer_account = account.public_key();
        }
        let mut claims = Claims::new(self.read(question).content.user_nkey, content);
        claims.name = "ann".to_owned();
        claims.encode(signer, NOW_S).expect("signs")
    }

    /// The answer with this user, signed by `signer` for the account that it says.
    fn answer(&self, question: Question, user: String, signer: &KeyPair, said: &str) -> Answer {
        let issuer_account = said.to_owned();
        let content = AuthorizationResponse { jwt: user, issuer_account, ..Default::default() };
        let mut claims = Claims::new(self.read(&question).content.user_nkey, content);
        claims.audience = self.keys.id();
        let token = claims.encode(signer, NOW_S).expect("signs");
        Answer { waiting: question.waiting, payload: token.into_bytes() }
    }

    fn judge(&self, answer: Answer) -> Result<Session, Mistrust> {
        let mistrust = answer.session(&self.keys, NOW_S).err();
        match (answer.judge(&self.keys, NOW_S), mistrust) {
            (Judged::Verdict(verdict), None) => Ok(verdict.session.expect("let in")),
            (Judged::Verdict(verdict), Some(mistrust)) => {
                assert!(matches!(verdict.session, Err(Denied::ByService(_))));
                Err(mistrust)
            }
            (Judged::Unseen(account, _), _) => panic!("{account} is known"),
        }
    }

    /// Who comes in by an answer of the service itself.
    fn admitted(&self, directory: &Arc<Directory>, account: &KeyPair, signer: &KeyPair) -> Session {
        let question = self.ask(directory);
        let user = self.user(&question, account, signer);
        self.judge(self.answer(question, user, &self.auth, "")).expect("comes in")
    }
}

#[test]
fn users_of_its_account_are_asked_about_and_its_own_are_not() {
    let world = World::new();
    let directory = world.knowing(&[&world.auth], None);
    let question = world.ask(&directory);
    let request = world.read(&question);
    assert_eq!(request.subject, world.auth.public_key());
    assert_eq!(request.issuer, world.keys.id());
    let information = &request.content.client_info;
    assert!(information.user.starts_with('U'), "{information:?}");
    assert_eq!(
        (information.name_tag.as_str(), &information.tags[..]),
        ("sentinel", &["team:a".to_owned()][..])
    );
    let name = directory.accounts().name(question.account);
    assert_eq!(name.as_ref(), world.auth.public_key());

    let own = world.sentinel(|claims| claims.subject = world.service.public_key());
    let checked = world.check(&directory, &own);
    assert!(matches!(checked, Checked::Verdict(verdict) if verdict.session.is_ok()));
    // Whose token is not good is not worth a question.
    let over = world.sentinel(|claims| claims.expires_s = NOW_S - 1);
    let signs = world.sentinel(|claims| claims.content.grant.bearer_token = false);
    for token in [over, signs] {
        let checked = world.check(&directory, &token);
        assert!(matches!(checked, Checked::Verdict(verdict) if verdict.session.is_err()));
    }
}

#[test]
fn a_user_is_put_where_both_accounts_want_it() {
    let world = World::new();
    let directory = world.knowing(&[&world.auth, &world.target], None);
    let account = |session: &Session| directory.accounts().name(session.account).to_string();

    let beside = world.admitted(&directory, &world.auth, &world.auth);
    assert_eq!((beside.user.as_str(), account(&beside)), ("ann", world.auth.public_key()));
    let permissions = beside.permissions.expect("some");
    assert!(!permissions.may_publish(SUBJECT.as_bytes()) && permissions.may_publish(b"a"));

    let other = world.admitted(&directory, &world.target, &world.target);
    assert_eq!(account(&other), world.target.public_key());
    assert!(other.permissions.is_none() && other.callout.is_some());

    let scoped = world.admitted(&directory, &world.target, &world.scoped);
    let permissions = scoped.permissions.expect("those of the template");
    assert!(!permissions.may_publish(b"of.ann") && permissions.may_publish(b"of.bob"));

    // A signing key of the service's account says whose it is.
    let question = world.ask(&directory);
    let user = world.user(&question, &world.target, &world.target);
    let answer = world.answer(question, user, &world.signer, &world.auth.public_key());
    assert!(world.judge(answer).is_ok());
}

#[test]
fn an_account_that_nobody_used_yet_is_fetched_first() {
    let world = World::new();
    let directory = world.knowing(&[&world.auth], None);
    let question = world.ask(&directory);
    let user = world.user(&question, &world.target, &world.target);
    let answer = world.answer(question, user, &world.auth, "");
    let Checked::Unseen(account, step) = answer.judge(&world.keys, NOW_S).into() else {
        panic!("it is not known")
    };
    assert_eq!(Some(&account), AccountKey::parse(&world.target.public_key()).as_ref());
    let accounts = step.directory().fetch(account.as_str(), NOW_NS).expect("preloaded");
    let Admission { accounts, steps } = Admission { accounts, steps: vec![step] };
    let next = Arc::new(directory.with_accounts(&accounts, NOW_NS).0);
    for step in steps {
        let Step::Answered(answer) = step.under(Arc::clone(&next)) else { panic!("an answer") };
        assert!(world.judge(*answer).is_ok());
    }
}

#[test]
fn answers_that_are_worth_nothing() {
    let mut world = World::new();
    let elsewhere = KeyPair::new_account();
    world.add(unlimited(&elsewhere));
    let directory = world.knowing(&[&world.auth, &world.target, &elsewhere], None);
    let (auth, none) = (world.auth.public_key(), String::new());
    let stranger = KeyPair::new_account();
    let mistrust = |account: &KeyPair, signer: &KeyPair, by: &KeyPair, said: &str| {
        let question = world.ask(&directory);
        let user = world.user(&question, account, signer);
        world.judge(world.answer(question, user, by, said)).map(drop)
    };
    let target = &world.target;
    for (by, said) in [
        (target, &none),
        (&stranger, &none),
        (&stranger, &auth),
        // It must say for whom it signs.
        (&world.signer, &none),
        (&world.auth, &target.public_key()),
    ] {
        assert_eq!(mistrust(target, target, by, said), Err(Mistrust::Issuer), "{said:?}");
    }
    let not_allowed = Err(Mistrust::NotAllowed(elsewhere.public_key()));
    assert_eq!(mistrust(&elsewhere, &elsewhere, &world.auth, ""), not_allowed);
    // The account must want the user too: the service's own keys do not sign for others.
    for signer in [&stranger, &world.auth, &world.signer] {
        let refused = mistrust(target, signer, &world.auth, "");
        assert!(matches!(refused, Err(Mistrust::User(_))), "{refused:?}");
    }
}

#[test]
fn any_account_may_be_allowed() {
    let mut world = World::new();
    let elsewhere = KeyPair::new_account();
    world.add(unlimited(&elsewhere));
    let mut claims = world.auth_claims();
    claims.content.authorization.allowed_accounts = vec!["*".to_owned()];
    world.add(claims);
    let directory = world.knowing(&[&world.auth, &elsewhere], None);
    let session = world.admitted(&directory, &elsewhere, &elsewhere);
    assert_eq!(**directory.accounts().name(session.account), elsewhere.public_key());
}

#[test]
fn its_word_counts_as_long_as_both_accounts_stand_by_it() {
    let mut world = World::new();
    let before = world.knowing(&[&world.auth, &world.target], None);
    let session = world.admitted(&before, &world.target, &world.target);
    let standing = |directory: &Directory| directory.still_allows(&before, &session, NOW_NS);
    // An account is read anew: nothing of this user's has changed.
    let taken = |world: &World, pair: &KeyPair| {
        let key = AccountKey::parse(&pair.public_key()).expect("a key");
        let token = &world.options.operator.preload[key.as_str()];
        let found: Vec<Arc<SeenAccount>> =
            before.read_account(&key, token, NOW_NS).expect("an account");
        before.with_accounts(&found, NOW_NS).0
    };
    assert_eq!(standing(&taken(&world, &world.auth)), Standing::Same);
    assert_eq!(standing(&taken(&world, &world.target)), Standing::Same);

    let mut claims = world.target_claims();
    claims.content.default_permissions.publish.deny = vec!["x".to_owned()];
    world.add(claims.clone());
    match standing(&taken(&world, &world.target)) {
        Standing::Changed(now) => {
            assert_eq!((now.user.as_str(), &now.callout), ("ann", &session.callout));
            assert!(!now.permissions.expect("some").may_publish(b"x"));
        }
        other => panic!("{other:?}"),
    }
    claims.content.revocations.insert("*".to_owned(), NOW_S);
    world.add(claims);
    assert_eq!(standing(&taken(&world, &world.target)), Standing::Gone(Denied::Revoked));

    let mut claims = world.auth_claims();
    claims.content.authorization.allowed_accounts.clear();
    world.add(claims);
    let gone = Standing::Gone(Denied::Credentials);
    assert_eq!(standing(&taken(&world, &world.auth)), gone, "it may put nobody there any more");
    world.add(unlimited(&world.auth));
    assert_eq!(standing(&taken(&world, &world.auth)), gone, "it has no service any more");
}

#[test]
fn who_came_by_its_own_token_is_gone_when_a_service_is_to_be_asked() {
    let mut world = World::new();
    let with_service = world.auth_claims();
    world.add(unlimited(&world.auth));
    let before = world.knowing(&[&world.auth], None);
    let token = world.sentinel(|_| {});
    let claims = Arc::new(Claims::<User>::decode(&token).expect("a user"));
    let circumstances = Circumstances {
        now_ns: NOW_NS,
        address: None,
        kind: config::options::ConnectionKinds::STANDARD,
    };
    let session = before.judge(claims, circumstances).expect("let in");
    world.add(with_service);
    let after = world.knowing(&[&world.auth], Some(&before));
    let standing = after.still_allows(&before, &session, NOW_NS);
    assert_eq!(standing, Standing::Gone(Denied::Credentials));
}
