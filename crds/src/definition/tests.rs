use std::fs;
use std::path::Path;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::json;

use super::{definition, yaml};

fn root() -> JSONSchemaProps {
    definition().spec.versions.remove(0).schema.unwrap().open_api_v3_schema.unwrap()
}

/// Calls `look` with every node below `node` and its path.
fn walk(node: &JSONSchemaProps, path: &str, look: &mut impl FnMut(&str, &JSONSchemaProps)) {
    look(path, node);
    for (name, property) in node.properties.iter().flatten() {
        walk(property, &format!("{path}.{name}"), look);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &node.items {
        walk(items, &format!("{path}[]"), look);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &node.additional_properties {
        walk(values, &format!("{path}.*"), look);
    }
}

/// Every node that is ours: `apiVersion`, `kind` and `metadata` belong to Kubernetes.
fn nodes(mut look: impl FnMut(&str, &JSONSchemaProps)) {
    for (name, node) in root().properties.unwrap() {
        if name == "spec" || name == "status" {
            walk(&node, &name, &mut look);
        }
    }
}

#[test]
fn the_committed_yaml_is_what_the_types_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("storageelements.yaml");
    let generated = yaml().unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "crds/storageelements.yaml is not up to date: see its first lines");
    // Client-side apply keeps a copy in an annotation, of at most 262,144 bytes, in JSON.
    assert!(generated.len() < 200 * 1024, "{} bytes", generated.len());
    assert!(serde_json::to_string(&definition()).unwrap().len() < 200 * 1024);
}

#[test]
fn everything_is_bounded() {
    nodes(|path, node| {
        let bounded = match node.type_.as_deref() {
            Some("string") => {
                node.max_length.is_some() || node.enum_.is_some() || node.format.as_deref() == Some("date-time")
            }
            Some("array") => node.max_items.is_some(),
            Some("object") => {
                let open =
                    node.additional_properties.is_some() || node.x_kubernetes_preserve_unknown_fields == Some(true);
                // The sections of `config` that are refused anyway.
                !open || node.max_properties.is_some() || path.starts_with("spec.config.")
            }
            _ => true,
        };
        assert!(bounded, "{path} has no bound");
    });
}

#[test]
fn everything_is_structural() {
    nodes(|path, node| {
        let int_or_string = node.x_kubernetes_int_or_string == Some(true);
        assert!(node.type_.is_some() != int_or_string, "{path} has no type, or one too many");
        assert!(node.nullable.is_none(), "{path} is nullable");
        assert!(node.any_of.is_none() && node.one_of.is_none() && node.all_of.is_none(), "{path} has alternatives");
        let formats = [None, Some("int32"), Some("int64"), Some("uuid"), Some("date-time")];
        assert!(formats.contains(&node.format.as_deref()), "{path}: {:?}", node.format);
        if node.type_.as_deref() == Some("array") {
            let list = node.x_kubernetes_list_type.as_deref();
            assert!(list.is_some(), "{path} does not say what kind of a list it is");
            assert_eq!(list == Some("map"), node.x_kubernetes_list_map_keys.is_some(), "{path}");
        }
    });
}

#[test]
fn everything_is_explained() {
    nodes(|path, node| {
        // An item or a value is explained with its list or map.
        let named = !path.ends_with("[]") && !path.ends_with(".*");
        let description = node.description.as_deref().unwrap_or_default();
        assert!(!named || description.len() > 3, "{path} is not explained");
        assert!(!description.contains("[`"), "{path} speaks to Rust programmers: {description}");
    });
}

/// Where a field is optional, its own words count, not those of its type.
#[test]
fn what_is_explained_is_the_field() {
    nodes(|path, node| {
        let description = node.description.clone().unwrap_or_default();
        let expected = match path {
            "spec.mode" => "The mode you ask for.",
            "status.mode" => "The mode in force",
            "status.backend" => "What keeps the files: `local` or",
            "spec.backend.local" => "Files on a volume: a claim named",
            "spec.podTemplate.imagePullPolicy" => "When the image is pulled: Always",
            _ => return,
        };
        assert!(description.starts_with(expected), "{path}: {description}");
        assert!(!description.contains('\n'), "{path}: {description}");
    });
}

#[test]
fn defaults_are_the_ones_of_the_specification() {
    let root = root();
    let spec = &root.properties.as_ref().unwrap()["spec"];
    assert_eq!(spec.required.as_deref().unwrap(), ["backend", "mode"]);
    let mut defaults = serde_json::Map::new();
    for (name, property) in spec.properties.as_ref().unwrap() {
        if let Some(default) = &property.default {
            defaults.insert(name.clone(), default.0.clone());
        }
    }
    let keys = json!({"rotateEveryDays": 90, "overlapHours": 24, "maxTokenLifetimeHours": 12, "bits": 3072});
    assert_eq!(
        serde_json::Value::Object(defaults),
        json!({
            "replicas": 1,
            "database": {"embedded": {"size": "5Gi"}},
            "retention": {"minimumDays": 0, "deletedGraceHours": 24},
            "auth": {"jwt": {"keys": keys}},
            "transition": {"drainTimeoutSeconds": 300, "verify": "Quick"},
            "election": {"leaseDurationSeconds": 15, "renewDeadlineSeconds": 10, "retryPeriodSeconds": 2},
            "deletionPolicy": "Retain",
            "paused": false,
            "networkPolicy": {"enabled": true},
        })
    );
    let mut access_modes = None;
    walk(&root, "", &mut |path, node| {
        if path == ".spec.backend.local.accessModes" {
            access_modes = node.default.clone().map(|default| default.0);
        }
    });
    assert_eq!(access_modes, Some(json!(["ReadWriteOnce"])));
}

#[test]
fn it_is_listed_as_the_specification_says() {
    let definition = definition();
    assert_eq!(definition.metadata.name.as_deref(), Some("storageelements.storage.artstore.dev"));
    assert_eq!(definition.spec.names.short_names.as_deref().unwrap(), ["se"]);
    assert_eq!(definition.spec.scope, "Namespaced");
    let version = &definition.spec.versions[0];
    let columns = version.additional_printer_columns.as_deref().unwrap();
    let named = |wide: bool| -> Vec<&str> {
        let columns = columns.iter().filter(|column| (column.priority.unwrap_or_default() > 0) == wide);
        columns.map(|column| column.name.as_str()).collect()
    };
    assert_eq!(named(false), ["Mode", "Ready", "Master", "Backend", "Files", "Used", "Age"]);
    assert_eq!(named(true), ["Transition", "Replicas", "Version"]);
    let subresources = version.subresources.as_ref().unwrap();
    assert!(subresources.status.is_some());
    let scale = subresources.scale.as_ref().unwrap();
    assert_eq!(scale.spec_replicas_path, ".spec.replicas");
    assert_eq!(scale.status_replicas_path, ".status.replicas");
    assert_eq!(scale.label_selector_path.as_deref(), Some(".status.selector"));
}
