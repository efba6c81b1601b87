//! Every rule once, with the exact error, and the JSON of a configuration.

use super::*;
use crate::ApiError;
use crate::request_json::Strictness;

const SERVER: ServerLimits = ServerLimits { duplicate_window_max: None };

fn read(json: &str) -> StreamRequest {
    decode_request(json.as_bytes(), Strictness::Strict).expect(json).request
}

fn create(json: &str) -> Result<StreamConfig, ApiError> {
    let request = read(json);
    for_create(request.config, &SERVER, request.pedantry)
}

fn update(old: &str, new: &str) -> Result<StreamConfig, ApiError> {
    let old = create(old).expect(old);
    let request = read(new);
    for_update(&old, request.config, &SERVER, request.pedantry)
}

/// `code err_code description`
fn said(error: &ApiError) -> String {
    format!("{} {} {}", error.code, error.err_code, error.description)
}

#[test]
fn a_bare_name_gets_every_default() {
    let config = create(r#"{"name":"ORDERS"}"#).unwrap();
    let expected = concat!(
        r#"{"name":"ORDERS","subjects":["ORDERS"],"retention":"limits","max_consumers":-1,"#,
        r#""max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"#,
        r#""max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"#,
        r#""duplicate_window":120000000000,"compression":"none","allow_direct":false,"#,
        r#""mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"#,
        r#""allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,"#,
        r#""metadata":{"_nats.req.level":"0"}}"#
    );
    assert_eq!(serde_json::to_string(&config).unwrap(), expected);
}

#[test]
fn every_field_survives_a_round_trip() {
    let json = concat!(
        r#"{"name":"A","description":"d","subjects":["a.>"],"retention":"workqueue","#,
        r#""max_consumers":1,"max_msgs":2,"max_bytes":3,"max_age":4,"max_msgs_per_subject":5,"#,
        r#""max_msg_size":6,"discard":"new","storage":"memory","num_replicas":7,"no_ack":true,"#,
        r#""duplicate_window":8,"placement":{"cluster":"c","tags":["t"],"preferred":"p"},"#,
        r#""mirror":{"name":"M","opt_start_seq":9,"opt_start_time":"2024-01-01T00:00:00Z","#,
        r#""filter_subject":"f","subject_transforms":[{"src":"s","dest":"d"}],"#,
        r#""external":{"api":"x","deliver":"y"},"consumer":{"name":"n","deliver_subject":"z"}},"#,
        r#""sources":[{"name":"S"}],"compression":"s2","first_seq":10,"#,
        r#""subject_transform":{"src":"","dest":"q"},"#,
        r#""republish":{"src":"r","dest":"rr","headers_only":true},"allow_direct":true,"#,
        r#""mirror_direct":true,"discard_new_per_subject":true,"sealed":true,"deny_delete":true,"#,
        r#""deny_purge":true,"allow_rollup_hdrs":true,"#,
        r#""consumer_limits":{"inactive_threshold":11,"max_ack_pending":12},"#,
        r#""allow_msg_ttl":true,"subject_delete_marker_ttl":13,"allow_msg_counter":true,"#,
        r#""allow_atomic":true,"allow_msg_schedules":true,"allow_batched":true,"#,
        r#""persist_mode":"async","metadata":{"k":"v"}}"#
    );
    assert_eq!(serde_json::to_string(&read(json).config).unwrap(), json);
}

#[test]
fn what_breaks_a_rule_is_refused_with_its_error() {
    let too_long = "d".repeat(4097);
    let described = format!(r#"{{"name":"A","description":"{too_long}"}}"#);
    let named = format!(r#"{{"name":"{}"}}"#, "n".repeat(256));
    let metadata = format!(r#"{{"name":"A","metadata":{{"k":"{}"}}}}"#, "v".repeat(128 << 10));
    let name_rule =
        "500 10052 stream name is required and can not contain '.', '*', '>', '\\', '/'";
    let no_ack = "requires no-ack to be true";
    let api = "500 10052 subjects that overlap with jetstream api require no-ack to be true";
    let table: &[(&str, &str)] = &[
        (r#"{"name":""}"#, name_rule),
        (r#"{"name":"a.b"}"#, name_rule),
        (r#"{"name":"a b"}"#, name_rule),
        (r#"{"name":"a/b"}"#, "400 10128 Stream name can not contain path separators"),
        (&named, "500 10052 stream name is too long, maximum allowed is 255"),
        (&described, "500 10052 stream description is too long, maximum allowed is 4096"),
        (&metadata, "500 10052 stream metadata exceeds maximum size of 131072 bytes"),
        (r#"{"name":"A","num_replicas":6}"#, "500 10052 maximum replicas is 5"),
        (
            r#"{"name":"A","num_replicas":3}"#,
            "500 10074 replicas > 1 not supported in non-clustered mode",
        ),
        (r#"{"name":"A","num_replicas":-1}"#, "400 10133 replicas count cannot be negative"),
        (
            r#"{"name":"A","max_msgs":-2,"pedantic":true}"#,
            "400 10157 pedantic mode: max_msgs must be set to -1",
        ),
        (r#"{"name":"A","max_age":-1}"#, "500 10052 max age can not be negative"),
        (r#"{"name":"A","max_age":1}"#, "500 10052 max age needs to be >= 100ms"),
        (
            r#"{"name":"A","duplicate_window":-1}"#,
            "500 10052 duplicates window can not be negative",
        ),
        (
            r#"{"name":"A","duplicate_window":1}"#,
            "500 10052 duplicates window needs to be >= 100ms",
        ),
        (
            r#"{"name":"A","duplicate_window":2000000000,"max_age":1000000000}"#,
            "500 10052 duplicates window can not be larger then max age",
        ),
        (
            r#"{"name":"A","deny_purge":true,"allow_rollup_hdrs":true}"#,
            "500 10052 roll-ups require the purge permission",
        ),
        (
            r#"{"name":"A","mirror_direct":true}"#,
            "500 10052 stream has no mirror but does have mirror direct",
        ),
        (
            r#"{"name":"A","allow_msg_counter":true,"discard":"new"}"#,
            "500 10052 counter stream cannot use discard new",
        ),
        (
            r#"{"name":"A","allow_msg_counter":true,"allow_msg_ttl":true}"#,
            "500 10052 counter stream cannot use message TTLs",
        ),
        (
            r#"{"name":"A","allow_msg_counter":true,"allow_msg_schedules":true}"#,
            "500 10052 counter stream cannot use message schedules",
        ),
        (
            r#"{"name":"A","allow_msg_counter":true,"retention":"interest"}"#,
            "500 10052 counter stream can only use limits retention",
        ),
        (
            r#"{"name":"A","discard_new_per_subject":true}"#,
            "500 10052 discard new per subject requires discard new policy to be set",
        ),
        (
            r#"{"name":"A","discard_new_per_subject":true,"discard":"new"}"#,
            "500 10052 discard new per subject requires max msgs per subject > 0",
        ),
        (
            r#"{"name":"A","subject_delete_marker_ttl":-1}"#,
            "500 10052 subject delete marker TTL must not be negative",
        ),
        (
            r#"{"name":"A","subject_delete_marker_ttl":1000}"#,
            "500 10052 subject delete marker TTL must be at least 1 second",
        ),
        (
            r#"{"name":"A","mirror":{"name":"B"},"subject_delete_marker_ttl":1000000000}"#,
            "500 10052 subject delete markers forbidden on mirrors",
        ),
        (
            r#"{"name":"A","subject_delete_marker_ttl":1000000000,"pedantic":true}"#,
            "500 10052 subject delete marker cannot be set if message TTLs are disabled",
        ),
        (
            concat!(
                r#"{"name":"A","subject_delete_marker_ttl":1000000000,"#,
                r#""allow_msg_ttl":true,"pedantic":true}"#
            ),
            "500 10052 subject delete marker cannot be set if roll-ups are disabled",
        ),
        (
            r#"{"name":"A","allow_msg_schedules":true,"pedantic":true}"#,
            "500 10052 message scheduling cannot be set if roll-ups are disabled",
        ),
        (
            r#"{"name":"A","max_age":1000000000,"pedantic":true}"#,
            "400 10157 pedantic mode: duplicate window cannot be bigger than max age",
        ),
        (
            r#"{"name":"A","num_replicas":3,"persist_mode":"async"}"#,
            "500 10052 async persist mode is not supported on replicated streams",
        ),
        (
            r#"{"name":"A","allow_msg_schedules":true,"discard":"new"}"#,
            "500 10052 message scheduling cannot use discard new",
        ),
        (
            r#"{"name":"A","persist_mode":"async","storage":"memory"}"#,
            "500 10052 async persist mode is only supported on file storage",
        ),
        (
            r#"{"name":"A","persist_mode":"async","allow_atomic":true}"#,
            "500 10052 async persist mode is not supported with atomic batch publish",
        ),
        (r#"{"name":"A","subjects":["a..b"]}"#, "500 10052 invalid subject"),
        (r#"{"name":"A","subjects":["a b"]}"#, "500 10052 invalid subject"),
        (r#"{"name":"A","subjects":["a","a"]}"#, "500 10052 subject \"a\" overlaps with \"a\""),
        (
            r#"{"name":"A","subjects":["a.*","a.b"]}"#,
            "500 10052 subject \"a.*\" overlaps with \"a.b\"",
        ),
        (r#"{"name":"A","subjects":["$JS.API.X"]}"#, api),
        (r#"{"name":"A","subjects":["$JS.>"]}"#, api),
        (r#"{"name":"A","subjects":["*.x"]}"#, api),
        (
            r#"{"name":"A","subjects":["$SYS.>"]}"#,
            "500 10052 subjects that overlap with system api require no-ack to be true",
        ),
        (r#"{"name":"A","subjects":[">"]}"#, &format!("500 10052 capturing all subjects {no_ack}")),
        (
            r#"{"name":"A","subject_transform":{"src":"a..b","dest":"c"}}"#,
            "400 10155 stream transform source: invalid subject a..b",
        ),
        (
            r#"{"name":"A","subject_transform":{"src":"a.*","dest":"c.$2"}}"#,
            "400 10156 stream transform: wildcard index out of range in \"$2\"",
        ),
        (
            r#"{"name":"A","subject_transform":{"src":"A","dest":"a b"}}"#,
            "400 10156 stream transform: invalid mapping destination: invalid transform",
        ),
        (
            r#"{"name":"A","republish":{"src":"A","dest":"a..b"}}"#,
            "500 10052 stream configuration for republish with transform from 'A' to 'a..b' not \
             valid",
        ),
        (
            r#"{"name":"A","republish":{"dest":"A"}}"#,
            "500 10052 stream configuration for republish destination forms a cycle",
        ),
        (
            r#"{"name":"A","republish":{"dest":"r"},"pedantic":true}"#,
            "400 10157 pedantic mode: republish source can not be empty",
        ),
        (
            r#"{"name":"A","subjects":["a.>"],"republish":{"src":"a.>","dest":"a.x.>"}}"#,
            "500 10052 stream configuration for republish destination forms a cycle",
        ),
        (
            r#"{"name":"A","placement":{"preferred":"n1"}}"#,
            "500 10052 preferred server not permitted in placement",
        ),
        (
            r#"{"name":"A","sealed":true}"#,
            "500 10052 stream configuration for create can not be sealed",
        ),
    ];
    for (json, expected) in table {
        assert_eq!(said(&create(json).expect_err(json)), *expected, "{json}");
    }
}

#[test]
fn what_is_published_again_and_where_to() {
    let republish = |json: &str| {
        let republish = create(json).expect(json).republish.expect(json);
        (republish.src, republish.dest)
    };
    let pair = |src: &str, dest: &str| (src.to_owned(), dest.to_owned());
    assert_eq!(republish(r#"{"name":"A","republish":{"dest":"r.>"}}"#), pair(">", "r.>"));
    let elsewhere = r#"{"name":"A","republish":{"src":"x","dest":"B"}}"#;
    assert_eq!(republish(elsewhere), pair("x", "B"), "need not be one of its subjects");
    assert_eq!(republish(r#"{"name":"A","republish":{"src":"A"}}"#), pair("A", ""), "nowhere");
    let renamed = r#"{"name":"A","subject_transform":{"src":"A","dest":"B"},
                      "republish":{"src":">","dest":">"}}"#;
    assert_eq!(republish(renamed), pair("B", "B"), "as the transform renames");
    let placed = create(r#"{"name":"A","placement":{"cluster":""}}"#).unwrap();
    assert_eq!(placed.placement, None, "an empty one is none");
    let unnamed = create(r#"{"name":"A","subject_transform":{"src":"","dest":""}}"#).unwrap();
    assert!(unnamed.subject_transform.is_some(), "it renames nothing");
    assert!(create(r#"{"name":"A","persist_mode":"","num_replicas":1}"#).is_ok());
    let updated = update(r#"{"name":"A"}"#, r#"{"name":"A","first_seq":9,"mirror_direct":true}"#);
    assert!(updated.is_ok(), "neither does anything");
}

#[test]
fn mirrors_and_sources_obey_their_rules() {
    let mirror = |more: &str| format!(r#"{{"name":"A","mirror":{{"name":"B"}}{more}}}"#);
    let of_mirror = |more: &str| format!(r#"{{"name":"A","mirror":{{"name":"B"{more}}}}}"#);
    let of_source = |more: &str| format!(r#"{{"name":"A","sources":[{{"name":"B"{more}}}]}}"#);
    let both = r#","filter_subject":"x","subject_transforms":[{"src":"a","dest":"b"}]"#;
    let bad_src = r#","subject_transforms":[{"src":"a..b","dest":"b"}]"#;
    let bad_dest = r#","subject_transforms":[{"src":"a","dest":"b.$1"}]"#;
    let overlap = r#","subject_transforms":[{"src":"a.*","dest":""},{"src":"a.b","dest":""}]"#;
    let consumer = r#","consumer":{"name":"c","deliver_subject":"d"},"opt_start_seq":3"#;
    let two = r#",{"name":"B"}"#;
    let table: &[(String, u16)] = &[
        (mirror(r#","first_seq":5"#), 10143),
        (mirror(r#","subjects":["b"]"#), 10034),
        (mirror(r#","sources":[{"name":"C"}]"#), 10031),
        (mirror(r#","allow_msg_counter":true"#), 10173),
        (mirror(r#","allow_atomic":true"#), 10198),
        (mirror(r#","allow_batched":true"#), 10209),
        (mirror(r#","allow_msg_schedules":true"#), 10186),
        (of_mirror(r#","opt_start_seq":1,"opt_start_time":"2024-01-01T00:00:00Z""#), 10032),
        (r#"{"name":"A","mirror":{"name":"a.b"}}"#.to_owned(), 10142),
        (of_mirror(both), 10150),
        (of_mirror(bad_src), 10151),
        (of_mirror(bad_dest), 10154),
        (of_mirror(overlap), 10152),
        (of_mirror(consumer), 10213),
        (of_mirror(r#","external":{"api":"x.*","deliver":"y"}"#), 10052),
        (of_mirror(r#","external":{"api":"x","deliver":"y.>"}"#), 10024),
        (r#"{"name":"A","sources":[{"name":"a.b"}]}"#.to_owned(), 10141),
        (of_source(both), 10144),
        (of_source(bad_src), 10145),
        (of_source(bad_dest), 10146),
        (of_source(overlap), 10147),
        (of_source(consumer), 10215),
        (format!(r#"{{"name":"A","sources":[{{"name":"B"}}{two}]}}"#), 10140),
        (r#"{"name":"A","sources":[{"name":"B"}],"allow_msg_schedules":true}"#.to_owned(), 10187),
        (
            concat!(
                r#"{"name":"A","sources":["#,
                r#"{"name":"B","consumer":{"name":"c","deliver_subject":"d"}},"#,
                r#"{"name":"B","consumer":{"name":"c","deliver_subject":"e"},"#,
                r#""subject_transforms":[{"src":"q","dest":""}]}]}"#
            )
            .to_owned(),
            10216,
        ),
    ];
    for (json, expected) in table {
        assert_eq!(create(json).expect_err(json).err_code, *expected, "{json}");
    }
    let mirror = create(r#"{"name":"A","mirror":{"name":"B"}}"#).unwrap();
    assert!(mirror.subjects.is_empty() && mirror.duplicate_window == 0);
    let sources = create(r#"{"name":"A","sources":[{"name":"B"}]}"#).unwrap();
    assert!(sources.subjects.is_empty() && sources.duplicate_window == 0);
}

#[test]
fn some_settings_bring_others_with_them() {
    let config = create(
        r#"{"name":"A","subject_delete_marker_ttl":1000000000,"deny_purge":true,
            "max_age":1000000000}"#,
    )
    .unwrap();
    assert!(config.allow_msg_ttl && config.allow_rollup_hdrs && !config.deny_purge);
    assert_eq!(config.duplicate_window, 1_000_000_000, "no longer than max_age");
    assert_eq!(config.metadata["_nats.req.level"], "1");
    let config = create(r#"{"name":"A","allow_msg_schedules":true}"#).unwrap();
    assert!(config.allow_rollup_hdrs);
    assert_eq!(config.metadata["_nats.req.level"], "2");
    let config = create(r#"{"name":"A","allow_batched":true,"metadata":{"_nats.ver":"1"}}"#);
    let mut metadata = config.unwrap().metadata;
    assert_eq!(metadata.len(), 1);
    assert_eq!(metadata["_nats.req.level"], "4");
    stamp_answer(&mut metadata);
    assert_eq!((&*metadata["_nats.ver"], &*metadata["_nats.level"]), ("2.14.5", "5"));
    assert!(create(r#"{"name":"A","subjects":["$JS.EVENT.ADVISORY.>"]}"#).is_ok());
    assert!(create(r#"{"name":"A","subjects":[">"],"no_ack":true}"#).is_ok());
}

#[test]
fn the_server_bounds_the_duplicate_window() {
    let server = ServerLimits { duplicate_window_max: Some(std::time::Duration::from_secs(60)) };
    let made = |json: &str| for_create(read(json).config, &server, read(json).pedantry);
    assert_eq!(made(r#"{"name":"A"}"#).unwrap().duplicate_window, 60_000_000_000);
    let error = made(r#"{"name":"A","duplicate_window":61000000000}"#).unwrap_err();
    assert_eq!(
        said(&error),
        "500 10052 duplicates window can not be larger then server limit of 1m0s"
    );
    let error = made(r#"{"name":"A","pedantic":true}"#).unwrap_err();
    assert_eq!(error.err_code, 10157);
}

#[test]
fn an_update_changes_what_may_change() {
    let cannot = "500 10052 stream configuration update can not";
    let table: &[(&str, &str, String)] = &[
        (
            r#"{"name":"A"}"#,
            r#"{"name":"B"}"#,
            "500 10052 stream configuration name must match original".to_owned(),
        ),
        (
            r#"{"name":"A"}"#,
            r#"{"name":"A","storage":"memory"}"#,
            format!("{cannot} change storage type"),
        ),
        (
            r#"{"name":"A"}"#,
            r#"{"name":"A","retention":"workqueue"}"#,
            format!("{cannot} change retention policy to/from workqueue"),
        ),
        (
            r#"{"name":"A"}"#,
            r#"{"name":"A","allow_msg_counter":true}"#,
            format!("{cannot} change message counter setting"),
        ),
        (
            r#"{"name":"A"}"#,
            r#"{"name":"A","persist_mode":"async"}"#,
            format!("{cannot} change persist mode"),
        ),
        (
            r#"{"name":"A","deny_delete":true}"#,
            r#"{"name":"A"}"#,
            format!("{cannot} cancel deny message deletes"),
        ),
        (
            r#"{"name":"A","deny_purge":true}"#,
            r#"{"name":"A"}"#,
            format!("{cannot} cancel deny purge"),
        ),
        (
            r#"{"name":"A","allow_msg_ttl":true}"#,
            r#"{"name":"A"}"#,
            "500 10052 message TTL status can not be disabled".to_owned(),
        ),
        (
            r#"{"name":"A","allow_msg_schedules":true}"#,
            r#"{"name":"A","allow_rollup_hdrs":true}"#,
            "500 10052 message schedules can not be disabled".to_owned(),
        ),
        (
            r#"{"name":"A","mirror":{"name":"B"}}"#,
            r#"{"name":"A","mirror":{"name":"C"}}"#,
            "400 10055 stream mirror configuration can not be updated".to_owned(),
        ),
    ];
    for (old, new, expected) in table {
        assert_eq!(said(&update(old, new).expect_err(new)), *expected, "{old} to {new}");
    }
    let promoted = update(r#"{"name":"A","mirror":{"name":"B"}}"#, r#"{"name":"A"}"#).unwrap();
    assert_eq!((promoted.mirror, promoted.subjects), (None, vec!["A".to_owned()]));
    assert!(update(r#"{"name":"A"}"#, r#"{"name":"A","retention":"interest"}"#).is_ok());
}

#[test]
fn sealing_sets_what_it_implies_and_is_for_good() {
    let old = create(r#"{"name":"A","max_age":1000000000,"allow_rollup_hdrs":true}"#).unwrap();
    let request = read(r#"{"name":"A","max_age":1000000000,"sealed":true}"#);
    let sealed = for_update(&old, request.config, &SERVER, request.pedantry).unwrap();
    assert!(sealed.sealed && sealed.deny_delete && sealed.deny_purge);
    assert!(!sealed.allow_rollup_hdrs);
    assert_eq!((sealed.max_age, sealed.discard), (0, Discard::New));
    let request = read(r#"{"name":"A"}"#);
    let error = for_update(&sealed, request.config, &SERVER, request.pedantry).unwrap_err();
    assert_eq!(
        said(&error),
        "500 10052 stream configuration update can not unseal a sealed stream"
    );
}

#[test]
fn streams_of_an_account_must_fit_together() {
    let among = |json: &str, others: &[&str]| {
        let others: Vec<_> = others.iter().map(|other| create(other).expect(other)).collect();
        let others: Vec<_> = others.iter().collect();
        let mut config = create(json).expect(json);
        fit_among(&mut config, &others).map(|()| config)
    };
    let error =
        among(r#"{"name":"A","subjects":["x.*"]}"#, &[r#"{"name":"B","subjects":["x.>"]}"#]);
    assert_eq!(said(&error.unwrap_err()), "400 10065 subjects overlap with an existing stream");
    let cycle = among(
        r#"{"name":"A","sources":[{"name":"B"}]}"#,
        &[r#"{"name":"B","sources":[{"name":"C"}]}"#, r#"{"name":"C","mirror":{"name":"A"}}"#],
    );
    assert_eq!(said(&cycle.unwrap_err()), "500 10052 detected cycle");
    let large = r#"{"name":"B","max_msg_size":10}"#;
    let error = among(r#"{"name":"A","mirror":{"name":"B"},"max_msg_size":5}"#, &[large]);
    assert_eq!(error.unwrap_err().err_code, 10030);
    let error = among(r#"{"name":"A","sources":[{"name":"B"}],"max_msg_size":5}"#, &[large]);
    assert_eq!(error.unwrap_err().err_code, 10046);
    let direct = r#"{"name":"B","allow_direct":true}"#;
    let mirror = among(r#"{"name":"A","mirror":{"name":"B"}}"#, &[direct]).unwrap();
    assert!(mirror.mirror_direct, "forced to what the origin allows");
    let external = |api: &str, deliver: &str| {
        format!(
            r#"{{"name":"A","sources":[{{"name":"B",
                "external":{{"api":"{api}","deliver":"{deliver}"}}}}]}}"#
        )
    };
    let taken = r#"{"name":"C","subjects":["in.x"]}"#;
    let error = among(&external("in", "out"), &[taken]).unwrap_err();
    assert_eq!(said(&error), "400 10021 stream external api prefix in must not overlap with in.x");
    let error = among(&external("api", "in"), &[taken]).unwrap_err();
    assert_eq!(
        said(&error),
        "400 10022 stream external delivery prefix in overlaps with stream subject in.x"
    );
}

#[test]
fn api_levels_above_ours_are_not_served() {
    for (value, served) in [("0", true), ("5", true), ("6", false), ("x", false), ("", false)] {
        assert_eq!(serves(value.as_bytes()), served, "{value}");
    }
}
