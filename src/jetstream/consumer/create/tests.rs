//! Every rule about names in create requests, and what is there already.

use super::super::config::{AckPolicy, ConsumerConfig};
use super::super::rules::Setting;
use super::super::simulation::Bench;
use super::*;

fn request(config: ConsumerConfig) -> CreateRequest {
    CreateRequest { stream_name: "S".to_owned(), config: Some(config), ..CreateRequest::default() }
}

fn durable(name: &str) -> ConsumerConfig {
    let ack_policy = AckPolicy::Explicit;
    ConsumerConfig { durable_name: name.to_owned(), ack_policy, ..ConsumerConfig::default() }
}

fn filtered(filter: &str) -> ConsumerConfig {
    ConsumerConfig { filter_subject: filter.to_owned(), ..ConsumerConfig::default() }
}

#[test]
fn the_subject_and_the_configuration_agree() {
    let several = ConsumerConfig {
        filter_subjects: vec!["a".to_owned(), "b".to_owned()],
        ..ConsumerConfig::default()
    };
    let named = |name, filter| Form::Named { name, filter };
    let table = [
        (durable("x"), Form::Ephemeral, 10020),
        (durable("x"), Form::Durable(""), 10016),
        (filtered(""), Form::Durable("x"), 10018),
        (durable("y"), Form::Durable("x"), 10017),
        (durable("y"), named("x", ""), 10017),
        (filtered("a"), named("x/y", ""), 10127),
        (filtered("a"), named("x*", ""), 10103),
        (filtered("a"), named("x", "b"), 10131),
        (filtered(""), named("x", "b"), 10131),
        (several, named("x", "a"), 10137),
    ];
    for (config, form, code) in table {
        let error = request(config).resolve("S", form).unwrap_err();
        assert_eq!(error.err_code, code, "{form:?}");
    }
    let error = request(filtered("")).resolve("T", Form::Ephemeral).unwrap_err();
    assert_eq!(error.err_code, 10056);
    let without = CreateRequest { config: None, ..request(filtered("")) };
    let resolved = without.resolve("S", Form::Ephemeral).unwrap();
    assert_eq!(resolved.config, Some(ConsumerConfig::default()));
    for name in ["", "x", "other"] {
        let config = ConsumerConfig { name: name.to_owned(), ..filtered("a") };
        let resolved = request(config).resolve("S", named("x", "a")).unwrap();
        assert_eq!(resolved.config.unwrap().name, "x", "that of the subject");
    }
}

fn setting() -> Setting<'static> {
    Bench::SETTING
}

fn apply(bench: &mut Bench, request: CreateRequest) -> Result<Made, u16> {
    bench
        .with(|consumers, desk| consumers.apply(request, &setting(), 0, Persistence::Log, desk))
        .map_err(|error| error.err_code)
}

#[test]
fn actions_say_whether_it_must_be_there() {
    let mut bench = Bench::new();
    let action = |config: ConsumerConfig, action| CreateRequest { action, ..request(config) };
    assert_eq!(apply(&mut bench, action(durable("x"), Action::Update)), Err(10149));
    let made = apply(&mut bench, action(durable("x"), Action::Create)).unwrap();
    assert!(matches!(made, Made::New(_)));
    let again = apply(&mut bench, action(durable("x"), Action::Create)).unwrap();
    assert_eq!(again, Made::Same(made.place()));
    let other = ConsumerConfig { description: "other".to_owned(), ..durable("x") };
    assert_eq!(apply(&mut bench, action(other.clone(), Action::Create)), Err(10148));
    let updated = apply(&mut bench, action(other, Action::Update)).unwrap();
    assert_eq!(updated, Made::Updated(made.place()));
    let pushed = ConsumerConfig { deliver_subject: "d".to_owned(), ..durable("x") };
    assert_eq!(apply(&mut bench, request(pushed)), Err(10012));
}

#[test]
fn an_update_by_either_name_leaves_a_consumer_as_lasting_as_it_was() {
    let mut bench = Bench::new();
    let named = |name: &str| ConsumerConfig {
        name: name.to_owned(),
        ack_policy: AckPolicy::Explicit,
        ..ConsumerConfig::default()
    };
    for (made_as, updated_as) in [(durable("x"), named("x")), (named("y"), durable("y"))] {
        let made = apply(&mut bench, request(made_as)).unwrap();
        let before = bench.consumers.get(made.place()).unwrap().config().clone();
        let more = ConsumerConfig { description: "other".to_owned(), ..updated_as };
        assert_eq!(apply(&mut bench, request(more)), Ok(Made::Updated(made.place())));
        let after = bench.consumers.get(made.place()).unwrap().config();
        assert_eq!(after.description, "other");
        assert_eq!(after.durable_name, before.durable_name);
        assert_eq!(after.inactive_threshold, before.inactive_threshold);
    }
}

#[test]
fn nameless_ones_get_a_name_each() {
    let mut bench = Bench::new();
    let one = apply(&mut bench, request(filtered(""))).unwrap();
    let two = apply(&mut bench, request(filtered(""))).unwrap();
    assert_ne!(one.place(), two.place());
    let name = bench.consumers.get(one.place()).unwrap().name();
    assert!(name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
}

#[test]
fn a_full_stream_takes_no_more() {
    let mut bench = Bench::new();
    let limited = Setting { consumers_max: 1, ..setting() };
    let mut add = |name: &str| {
        let request = request(durable(name));
        bench.with(|consumers, desk| consumers.apply(request, &limited, 0, Persistence::Log, desk))
    };
    assert!(add("x").is_ok());
    assert!(add("x").is_ok());
    assert_eq!(add("y").unwrap_err().err_code, 10026);
}
