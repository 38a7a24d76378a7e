//! Whether an object is as wished: every field of the wish is there with the same value. Fields of others do not count.

use serde_json::{Map, Value};

use crate::cache::Kind;

/// Lists that several managers share, with the field that tells their items apart: where others may add items.
const SHARED: [(&str, &str); 6] = [
    ("ownerReferences", "uid"),
    ("containers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
];

/// Whether `live` is as `wish` says. A false `false` costs a request that changes nothing; a false `true` would leave a
/// drift, so whatever is not known to be shared has to be the same.
pub fn contains(kind: Kind, live: &Value, wish: &Value) -> bool {
    let (Some(live), Some(wish)) = (live.as_object(), wish.as_object()) else { return false };
    // Objects in a list do not say what they are.
    wish.iter()
        .filter(|(name, _)| !matches!(name.as_str(), "apiVersion" | "kind"))
        .all(|(name, wish)| has(kind, live, name, wish))
}

fn holds(kind: Kind, field: &str, live: &Value, wish: &Value) -> bool {
    match (live, wish) {
        (Value::Object(live), Value::Object(wish)) => wish.iter().all(|(name, wish)| has(kind, live, name, wish)),
        (Value::Array(live), Value::Array(wish)) => match shared_key(kind, field) {
            Some(key) => wish
                .iter()
                .all(|wish| live.iter().any(|live| live.get(key) == wish.get(key) && holds(kind, "", live, wish))),
            None => live.len() == wish.len() && live.iter().zip(wish).all(|(live, wish)| holds(kind, "", live, wish)),
        },
        (live, wish) => live == wish,
    }
}

fn has(kind: Kind, live: &Map<String, Value>, name: &str, wish: &Value) -> bool {
    match live.get(name) {
        Some(live) => holds(kind, name, live, wish),
        // The API server drops what is empty.
        None => match wish {
            Value::Object(fields) => fields.is_empty(),
            Value::Array(items) => items.is_empty(),
            wish => wish.is_null(),
        },
    }
}

fn shared_key(kind: Kind, field: &str) -> Option<&'static str> {
    // Ports of a NetworkPolicy let somebody in: nobody adds one there.
    let shares_ports = matches!(kind, Kind::StatefulSet | Kind::Service);
    match field {
        "ports" if shares_ports => Some("name"),
        "topologySpreadConstraints" => Some("topologyKey"),
        field => SHARED.iter().find(|(name, _)| *name == field).map(|(_, key)| *key),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::contains;
    use crate::cache::Kind;

    #[test]
    fn fields_of_others_do_not_count_and_changed_ones_do() {
        let wish = json!({"kind": "Service", "metadata": {"labels": {"a": "1"}}, "spec": {"x": 1, "empty": {}}});
        let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "uid": "u"}, "spec": {"x": 1, "y": 2}});
        assert!(contains(Kind::Service, &live, &wish));
        let changed = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"x": 2}});
        assert!(!contains(Kind::Service, &changed, &wish));
        let removed = json!({"metadata": {"labels": {}}, "spec": {"x": 1}});
        assert!(!contains(Kind::Service, &removed, &wish));
    }

    #[test]
    fn others_add_to_shared_lists_only() {
        let wish = json!({"ports": [{"name": "http", "port": 80}]});
        let live = json!({"ports": [{"name": "more", "port": 81}, {"name": "http", "port": 80, "nodePort": 3}]});
        assert!(contains(Kind::Service, &live, &wish));
        assert!(!contains(Kind::NetworkPolicy, &live, &wish), "a port more lets somebody in");
        let rules = json!({"rules": [{"verbs": ["get"]}]});
        let more = json!({"rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]});
        assert!(!contains(Kind::Role, &more, &rules));
        let wider = json!({"rules": [{"verbs": ["get", "list"]}]});
        assert!(!contains(Kind::Role, &wider, &rules));
    }
}
