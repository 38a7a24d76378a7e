//! The pods of the StatefulSet, hardened: no root, nothing writable but the volumes, no privilege.

use serde_json::{Map, Value, json};

use super::config_map::CONFIG_FILE;
use super::metadata::{labels, selector};
use super::volumes::{CONFIG_PATH, mounts, volumes};
use super::{HTTP_PORT, Input, METRICS_PORT, PEER_PORT};
use crate::names::{DATABASE_ANNOTATION, Names, SEALED_ANNOTATION, SHAPE_ANNOTATION};

/// The name of the node's container.
pub const CONTAINER: &str = "node";
/// User and group of the node's process; no image needs to know it.
const USER: i64 = 65532;
/// A terminating pod serves this long while the cluster learns that it goes.
const LEAVING_SECONDS: u64 = 3;
/// What the node needs beside its drain: to settle, and to release the Lease.
const MARGIN_SECONDS: u64 = 20;
/// The node's own default of `limits.drain_timeout_seconds`.
const DEFAULT_DRAIN_SECONDS: u64 = 30;

/// The template of the pods.
pub fn template(input: &Input<'_>, names: Names<'_>, config: &str) -> Value {
    let wanted = &input.element.spec.pod_template;
    let shape = input.shape();
    let mut annotations = json!(wanted.annotations);
    annotations[SHAPE_ANNOTATION] = Value::from(shape.all);
    annotations[DATABASE_ANNOTATION] = Value::from(shape.database);
    if !input.mode.is_writable() {
        annotations[SEALED_ANNOTATION] = Value::from("true");
    }
    let mut all_labels = json!(wanted.labels);
    merge_fields(&mut all_labels, labels(&input.name()));
    let mut spec = json!({
        "serviceAccountName": wanted.service_account_name.clone().unwrap_or_else(|| names.main()),
        "automountServiceAccountToken": true,
        // A Service named `se` would make variables that look like settings of the node.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": grace_seconds(input),
        "securityContext": security_context(input),
        "topologySpreadConstraints": spread(input),
        "containers": [container(input, names)],
        "volumes": volumes(input, config),
    });
    let mut put = |field: &str, value: Value| spec[field] = value;
    if !wanted.image_pull_secrets.is_empty() {
        put("imagePullSecrets", json!(wanted.image_pull_secrets));
    }
    if !wanted.node_selector.is_empty() {
        put("nodeSelector", json!(wanted.node_selector));
    }
    if !wanted.tolerations.is_empty() {
        put("tolerations", json!(wanted.tolerations));
    }
    if let Some(affinity) = &wanted.affinity {
        put("affinity", json!(affinity));
    }
    if let Some(class) = &wanted.priority_class_name {
        put("priorityClassName", Value::from(class.as_str()));
    }
    json!({"metadata": {"labels": all_labels, "annotations": annotations}, "spec": spec})
}

fn container(input: &Input<'_>, names: Names<'_>) -> Value {
    let wanted = &input.element.spec.pod_template;
    let scheme = if input.element.spec.tls.is_some() { "HTTPS" } else { "HTTP" };
    let probe = |path: &str| json!({"path": path, "port": "http", "scheme": scheme});
    let mut container = json!({
        "name": CONTAINER,
        "image": input.image,
        "args": ["serve"],
        "env": env(input, names),
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "peer", "containerPort": PEER_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "volumeMounts": mounts(input),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "capabilities": {"drop": ["ALL"]},
        },
        // Recovery and a first look at a large volume take their time before anything is served.
        "startupProbe": {
            "httpGet": probe("/health/live"), "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 600,
        },
        "livenessProbe": {
            "httpGet": probe("/health/live"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3,
        },
        "readinessProbe": {
            "httpGet": probe("/health/ready"), "periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 2,
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": LEAVING_SECONDS}}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    if let Some(policy) = wanted.image_pull_policy {
        container["imagePullPolicy"] = Value::from(policy.as_str());
    }
    if let Some(resources) = &wanted.resources {
        container["resources"] = json!(resources);
    }
    container
}

fn env(input: &Input<'_>, names: Names<'_>) -> Vec<Value> {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let advertise = format!("$(POD_NAME).{}.{}.svc:{PEER_PORT}", names.headless(), input.namespace());
    let mut env = vec![
        field("POD_NAME", "metadata.name"),
        field("POD_NAMESPACE", "metadata.namespace"),
        field("POD_UID", "metadata.uid"),
        json!({"name": "STORAGE_ELEMENT_CONFIG", "value": format!("{CONFIG_PATH}/{CONFIG_FILE}")}),
        json!({"name": "SE_PEER__ADVERTISE", "value": advertise}),
    ];
    let own = ["POD_NAME", "POD_NAMESPACE", "POD_UID"];
    env.extend(
        input.element.spec.pod_template.env.iter().filter(|var| !own.contains(&var.name.as_str())).map(|v| json!(v)),
    );
    env
}

/// The user's, over what is safe. The API server refuses root.
fn security_context(input: &Input<'_>) -> Value {
    let mut context = json!({
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let Some(wanted) = &input.element.spec.pod_template.security_context {
        merge_fields(&mut context, json!(wanted));
    }
    context["runAsNonRoot"] = Value::from(true);
    // A profile of one's own is the user's to answer for; none at all is not to be had.
    if context["seccompProfile"]["type"] == "Unconfined" {
        context["seccompProfile"] = json!({"type": "RuntimeDefault"});
    }
    context
}

/// The user's constraints, those without a selector for our pods; else spread over machines and zones where possible.
fn spread(input: &Input<'_>) -> Vec<Value> {
    let own = json!({"matchLabels": selector(&input.name())});
    let wanted = &input.element.spec.pod_template.topology_spread_constraints;
    if wanted.is_empty() {
        let over = |key: &str| json!({"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own});
        return vec![over("kubernetes.io/hostname"), over("topology.kubernetes.io/zone")];
    }
    let constraint = |wanted| {
        let mut constraint = json!(wanted);
        if constraint.get("labelSelector").is_none_or(Value::is_null) {
            constraint["labelSelector"] = own.clone();
        }
        constraint
    };
    wanted.iter().map(constraint).collect()
}

/// Longer than the drain, so that no upload is cut off that the node would have let end.
fn grace_seconds(input: &Input<'_>) -> u64 {
    let drain = input.element.spec.config.get("limits").and_then(|limits| limits.get("drain_timeout_seconds"));
    let drain = drain.and_then(Value::as_u64).unwrap_or(DEFAULT_DRAIN_SECONDS);
    drain.saturating_add(LEAVING_SECONDS + MARGIN_SECONDS)
}

fn merge_fields(under: &mut Value, over: Value) {
    if let (Value::Object(under), Value::Object(over)) = (under, over) {
        let over: Map<String, Value> = over;
        under.extend(over);
    }
}
