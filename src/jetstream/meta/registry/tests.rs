//! Names, overlaps, limits and places.

use super::*;

const A: AccountId = AccountId(0);
const B: AccountId = AccountId(5);

fn config(name: &str, subjects: &[&str]) -> StreamConfig {
    StreamConfig {
        name: name.into(),
        subjects: subjects.iter().map(|subject| (*subject).to_owned()).collect(),
        max_bytes: -1,
        ..StreamConfig::default()
    }
}

fn with(streams: &[StreamConfig]) -> Registry {
    let mut registry = Registry::new(ServerBounds { memory: Some(1000), storage: Some(2000) });
    registry.admit(A, AccountLimits::default(), Tiers::new());
    registry.admit(B, AccountLimits::default(), Tiers::new());
    for (at, config) in streams.iter().enumerate() {
        add(&mut registry, config, ShardId(at as u16));
    }
    registry
}

fn add(registry: &mut Registry, config: &StreamConfig, home: ShardId) {
    let entry = Entry { config: config.clone(), created_ns: 1, home, state: State::Settled };
    registry.account_mut(A).unwrap().streams.insert(config.name.clone(), entry);
}

fn create(
    registry: &Registry,
    account: AccountId,
    mut config: StreamConfig,
) -> Result<Creation, ApiError> {
    registry.judge_create(account, &mut config)
}

fn update(registry: &Registry, mut config: StreamConfig) -> Result<(), ApiError> {
    registry.judge_update(A, &mut config)
}

fn code(result: Result<Creation, ApiError>) -> u16 {
    result.unwrap_err().err_code
}

#[test]
fn a_name_is_given_once_and_the_same_again_is_no_error() {
    let registry = with(&[config("S", &["a.>"])]);
    assert_eq!(create(&registry, A, config("S", &["a.>"])), Ok(Creation::Same));
    assert_eq!(code(create(&registry, A, config("S", &["b"]))), 10058);
    assert_eq!(create(&registry, B, config("S", &["b"])), Ok(Creation::New));
    assert_eq!(code(create(&registry, AccountId(9), config("S", &["b"]))), 10039);
}

#[test]
fn subjects_of_an_account_do_not_overlap() {
    let registry = with(&[config("S", &["a.>"])]);
    assert_eq!(code(create(&registry, A, config("T", &["b", "*.x"]))), 10065);
    assert_eq!(create(&registry, A, config("T", &["b", "a"])), Ok(Creation::New));
    assert_eq!(create(&registry, B, config("T", &["a.x"])), Ok(Creation::New));
    // A change of the stream itself does not meet its own subjects.
    assert_eq!(update(&registry, config("S", &["a.b"])), Ok(()));
}

#[test]
fn limits_of_account_and_server_are_kept() {
    let sized = |name: &str, max_bytes| StreamConfig { max_bytes, ..config(name, &[name]) };
    let mut registry = with(&[sized("S", 1500)]);
    assert_eq!(create(&registry, A, sized("T", 500)), Ok(Creation::New));
    assert_eq!(code(create(&registry, A, sized("T", 501))), 10047);
    assert_eq!(update(&registry, sized("S", 2000)), Ok(()));
    let memory = StreamConfig { storage: Storage::Memory, ..sized("M", 1001) };
    assert_eq!(code(create(&registry, A, memory)), 10028);
    let limits = AccountLimits {
        max_streams: 1,
        max_storage: 1600,
        storage_max_stream_bytes: 1550,
        max_bytes_required: true,
        ..AccountLimits::default()
    };
    registry.admit(A, limits, Tiers::new());
    assert_eq!(code(create(&registry, A, sized("T", 1))), 10027);
    let limits = AccountLimits { max_streams: -1, ..limits };
    registry.admit(A, limits, Tiers::new());
    assert_eq!(code(create(&registry, A, sized("T", -1))), 10113);
    assert_eq!(code(create(&registry, A, sized("T", 101))), 10047);
    assert_eq!(update(&registry, sized("S", 1560)).unwrap_err().err_code, 10122);
}

#[test]
fn a_stream_is_placed_where_the_fewest_are_and_near_its_maker() {
    let mut registry = with(&[]);
    assert_eq!(registry.place(2, ShardId(1)), ShardId(1));
    add(&mut registry, &config("S", &[]), ShardId(1));
    assert_eq!(registry.place(2, ShardId(1)), ShardId(0));
    add(&mut registry, &config("T", &[]), ShardId(0));
    assert_eq!(registry.place(2, ShardId(1)), ShardId(1));
}

#[test]
fn a_stream_needs_a_tier_for_its_replicas() {
    let mut registry = with(&[]);
    let limits = AccountLimits { max_streams: 1, ..AccountLimits::default() };
    registry.admit(A, limits, vec![("R3".to_owned(), limits)]);
    assert_eq!(code(create(&registry, A, config("S", &["s"]))), 10120, "R3 is not for one replica");
    registry.admit(A, limits, vec![("R1".to_owned(), limits), ("R3".to_owned(), limits)]);
    assert_eq!(create(&registry, A, config("S", &["s"])), Ok(Creation::New));
}
