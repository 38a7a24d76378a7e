use std::collections::BTreeSet;

use kube_cel::{CompiledSchema, Validator, apply_defaults, compile_schema};
use serde_json::{Value, json};

use super::examples::{self, Example, Verdict};
use super::{Rule, all};
use crate::{Mode, StorageElement, definition};

/// The schema, and the rules in it made ready.
struct Judge {
    schema: Value,
    compiled: CompiledSchema,
}

impl Judge {
    fn new() -> Self {
        let version = definition().spec.versions.remove(0);
        let schema = serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap();
        Self { compiled: compile_schema(&schema), schema }
    }

    /// The names of the rules that refuse `new`, as the API server would find them.
    fn refused_by(&self, new: &Value, old: Option<&Value>) -> Vec<&'static str> {
        let new = apply_defaults(&self.schema, new);
        let old = old.map(|old| apply_defaults(&self.schema, old));
        let Err(errors) = Validator::new().validate_compiled(&self.compiled, &new, old.as_ref()) else { return vec![] };
        let name = |message: &str| all().find(|rule| rule.message == message).map(|rule| rule.name);
        errors.as_slice().iter().map(|error| name(&error.message).expect(&error.message)).collect()
    }
}

#[test]
fn each_example_is_judged_as_it_says() {
    let judge = Judge::new();
    let mut wrong = Vec::new();
    for example in examples::all() {
        let old = example.old_object("example");
        if let Some(old) = &old {
            assert_eq!(judge.refused_by(old, None), [""; 0], "the old object itself: {example:?}");
        }
        let refused = judge.refused_by(&example.new_object("example"), old.as_ref());
        let expected = if example.verdict == Verdict::Refused { vec![example.rule] } else { vec![] };
        if refused != expected {
            wrong
                .push(format!("{}: {}: {:?}, but refused by {refused:?}", example.rule, example.what, example.verdict));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rule_has_a_change_it_refuses_and_one_it_lets_pass() {
    let of = |verdict| -> BTreeSet<_> {
        examples::all().into_iter().filter(|example| example.verdict == verdict).map(|example| example.rule).collect()
    };
    let names: BTreeSet<_> = all().map(|rule| rule.name).collect();
    assert_eq!(names.len(), all().count(), "names are unique");
    assert_eq!(of(Verdict::Refused), names);
    assert_eq!(of(Verdict::Allowed), names);
}

#[test]
fn examples_are_objects_that_the_types_read() {
    for example in examples::all() {
        for object in example.old_object("example").into_iter().chain([example.new_object("example")]) {
            let what = format!("{}: {}", example.rule, example.what);
            let _: StorageElement = serde_json::from_value(object).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
    }
}

#[test]
fn messages_are_one_line_each_and_different() {
    let messages: BTreeSet<_> = all().map(|rule| rule.message).collect();
    // Two rules with one message could not be told apart by who reads the refusal.
    assert_eq!(messages.len(), all().count());
    for Rule { name, message, cel, .. } in all() {
        assert!(!message.contains('\n') && !message.contains("  "), "{name}: {message:?}");
        assert!(!cel.contains("  "), "{name}: {cel:?}");
    }
}

/// The operator writes the status. Whatever it finds, no rule may stand in its way.
#[test]
fn no_rule_refuses_a_status() {
    let judge = Judge::new();
    let other = "0197f6a2-0000-7000-8000-00000000000f";
    let specs: Vec<Value> = examples::all()
        .iter()
        .filter(|example| example.verdict == Verdict::Allowed)
        .map(|example| Example { status: Value::Null, ..example.clone() }.new_object("example"))
        .collect();
    for spec in specs {
        for mode in Mode::ALL {
            let mut new = spec.clone();
            new["status"] = json!({"mode": mode, "elementID": other, "claim": {"capacity": "64Gi"}});
            assert_eq!(judge.refused_by(&new, Some(&spec)), [""; 0], "{new}");
            let mut back = spec.clone();
            back["status"] = json!({});
            assert_eq!(judge.refused_by(&back, Some(&new)), [""; 0], "{back}");
        }
    }
}
