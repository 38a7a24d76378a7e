//! The definition of `StorageElement` in a real API server: accepted (structural, within the cost budget), explained, and
//! each of its rules refuses what it should, with its message, and lets pass what it should.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};
use storage_element_crds::rules::examples::{self, Example, Verdict};
use storage_element_crds::{StorageElement, rules};
use storage_element_e2e::ControlPlane;

const NAMESPACE: &str = "default";
/// Where they are, for what is asked without the library.
const ELEMENTS: &str = "/apis/storage.artstore.dev/v1alpha1/namespaces/default/storageelements";
/// The API server publishes a new kind within a second or two; on a busy machine later.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `test` with a client of an API server that knows the kind.
fn with_definition(test: impl AsyncFnOnce(Client)) {
    // Outside of the runtime: starting it blocks.
    let plane = ControlPlane::shared();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = plane.admin().client().await.unwrap();
        install(&client).await;
        test(client).await;
    });
}

/// Applies the definition and waits until the API server serves the kind.
async fn install(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition: Value = serde_yaml::from_str(&storage_element_crds::yaml().unwrap()).unwrap();
    let name = definition["metadata"]["name"].as_str().unwrap();
    definitions.patch(name, &PatchParams::apply("e2e").force(), &Patch::Apply(&definition)).await.unwrap();
    let begun = Instant::now();
    loop {
        let found = definitions.get(name).await.unwrap();
        let conditions = found.status.and_then(|status| status.conditions).unwrap_or_default();
        let is = |kind: &str| conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True");
        // Said of a schema that is not structural.
        assert!(!is("NonStructuralSchema"), "{conditions:?}");
        if is("Established") && elements(client).list(&kube::api::ListParams::default().limit(1)).await.is_ok() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the definition is not established: {conditions:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Without the types: what is sent is what the example says, and nothing that Rust would fill in.
fn elements(client: &Client) -> Api<DynamicObject> {
    let kind = ApiResource::erase::<StorageElement>(&());
    Api::namespaced_with(client.clone(), NAMESPACE, &kind)
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

/// Tries the example; the API server's answer to the change itself.
async fn try_example(api: &Api<DynamicObject>, name: &str, example: &Example) -> kube::Result<DynamicObject> {
    let new = example.new_object(name);
    let Some(old) = example.old_object(name) else {
        return api.create(&PostParams::default(), &object(new)).await;
    };
    let mut latest = api.create(&PostParams::default(), &object(old.clone())).await.expect("the old object itself");
    if let Some(status) = old.get("status") {
        let patch = json!({"status": status});
        latest = api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("its status");
    }
    let mut new = object(new);
    new.metadata.resource_version = latest.resource_version();
    api.replace(name, &PostParams::default(), &new).await
}

/// What is wrong with the API server's answer to the example.
fn judge(example: &Example, answer: kube::Result<DynamicObject>) -> Option<String> {
    let rule = rules::all().find(|rule| rule.name == example.rule).expect("a rule of that name");
    let title = format!("{}: {}", example.rule, example.what);
    match (example.verdict, answer) {
        (Verdict::Allowed, Ok(_)) => None,
        (Verdict::Allowed, Err(error)) => Some(format!("{title}: refused: {error}")),
        (Verdict::Refused, Ok(_)) => Some(format!("{title}: taken")),
        (Verdict::Refused, Err(kube::Error::Api(status))) if status.code == 422 => {
            let said = status.details.clone().map(|details| details.causes).unwrap_or_default();
            let ours = said.iter().filter(|cause| cause.message.contains(rule.message)).count();
            // One refusal, one sentence: a person is not to guess which of them counts.
            (ours != 1 || said.len() != 1).then(|| format!("{title}: {status:?}"))
        }
        (Verdict::Refused, Err(error)) => Some(format!("{title}: {error:?}")),
    }
}

#[test]
fn each_rule_refuses_what_it_should_and_nothing_else() {
    with_definition(async |client| {
        let api = elements(&client);
        let mut wrong = Vec::new();
        for (index, example) in examples::all().iter().enumerate() {
            let name = example.name.map_or_else(|| format!("rule-{index}"), ToOwned::to_owned);
            let answer = try_example(&api, &name, example).await;
            wrong.extend(judge(example, answer));
            let _ = api.delete(&name, &DeleteParams::default()).await;
        }
        assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// The operator writes the status: whatever it says, no rule stands in the way, and the spec stays what it was.
#[test]
fn no_rule_stands_between_the_operator_and_the_status() {
    with_definition(async |client| {
        let api = elements(&client);
        let name = "status-is-free";
        let spec = json!({
            "mode": "rw",
            "backend": {"local": {"size": "10Gi"}},
            "adopt": {"elementID": "0197f6a2-0000-7000-8000-000000000001"},
        });
        let new = object(json!({
            "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
            "metadata": {"name": name}, "spec": spec,
        }));
        let made = api.create(&PostParams::default(), &new).await.unwrap();
        let surprising = json!({"status": {
            "mode": "edit",
            "elementID": "0197f6a2-0000-7000-8000-000000000002",
            "claim": {"capacity": "64Gi"},
        }});
        let after = api.patch_status(name, &PatchParams::default(), &Patch::Merge(&surprising)).await.unwrap();
        assert_eq!(after.data["spec"], made.data["spec"]);
        let emptied = json!({"status": null});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&emptied)).await.unwrap();
        api.delete(name, &DeleteParams::default()).await.unwrap();
    });
}

#[test]
fn defaults_are_filled_in_and_types_read_them() {
    with_definition(async |client| {
        let name = "all-defaults";
        let small = object(json!({
            "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement", "metadata": {"name": name},
            "spec": {"mode": "rw", "backend": {"local": {"size": "10Gi"}}, "retention": {"minimumDays": 7}},
        }));
        elements(&client).create(&PostParams::default(), &small).await.unwrap();
        let typed: Api<StorageElement> = Api::namespaced(client.clone(), NAMESPACE);
        let read = typed.get(name).await.unwrap();
        assert_eq!(read.spec.replicas, 1);
        assert_eq!((read.spec.retention.minimum_days, read.spec.retention.deleted_grace_hours), (7, 24));
        // What the types would fill in is what the API server filled in: written back, nothing changes.
        let written = typed.replace(name, &PostParams::default(), &read).await.unwrap();
        assert_eq!(written.resource_version(), read.resource_version());
        elements(&client).delete(name, &DeleteParams::default()).await.unwrap();
    });
}

/// Server-side apply, twice: the second time nothing is written.
#[test]
fn applied_again_nothing_changes() {
    with_definition(async |client| {
        let api = elements(&client);
        for (file, sample) in samples() {
            let name = sample["metadata"]["name"].as_str().unwrap().to_owned();
            let apply = PatchParams::apply("kubectl");
            let first = api
                .patch(&name, &apply, &Patch::Apply(&sample))
                .await
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let second = api.patch(&name, &apply, &Patch::Apply(&sample)).await.unwrap();
            assert_eq!(first.resource_version(), second.resource_version(), "{file}");
            api.delete(&name, &DeleteParams::default()).await.unwrap();
        }
    });
}

fn samples() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/samples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            (path.display().to_string(), serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
        })
        .collect()
}

/// A typing error is told, not swallowed: unknown fields, wrong types, values out of bounds.
#[test]
fn what_the_schema_does_not_know_is_refused() {
    with_definition(async |client| {
        let cases = [
            ("an unknown field", json!({"replica": 3}), "unknown field \"spec.replica\""),
            ("an unknown mode", json!({"mode": "RW"}), "spec.mode"),
            ("a wrong size", json!({"backend": {"local": {"size": "ten"}}}), "spec.backend.local.size"),
            ("a negative size", json!({"backend": {"local": {"size": -1}}}), "spec.backend.local.size"),
            ("a null", json!({"adopt": null, "lifecycle": null}), ""),
            ("root", json!({"podTemplate": {"securityContext": {"runAsUser": 0}}}), "runAsUser"),
            (
                "a wrong toleration",
                json!({"podTemplate": {"tolerations": [{"operator": "equal"}]}}),
                "tolerations[0].operator",
            ),
            ("two of a name", json!({"podTemplate": {"env": [{"name": "A"}, {"name": "A"}]}}), "podTemplate.env[1]"),
            ("an empty lifecycle", json!({"lifecycle": {}}), "spec.lifecycle"),
            ("too many nodes", json!({"replicas": 65}), "spec.replicas"),
        ];
        for (what, patch, expected) in cases {
            let mut spec = json!({"mode": "rw", "backend": {"local": {"size": "10Gi"}}});
            for (field, value) in patch.as_object().unwrap() {
                spec[field] = value.clone();
            }
            let body = json!({
                "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
                "metadata": {"name": "never-made"}, "spec": spec,
            });
            let url = format!("{ELEMENTS}?fieldValidation=Strict&dryRun=All");
            let request = http::Request::post(url).header("content-type", "application/json");
            let answer = client.request_text(request.body(serde_json::to_vec(&body).unwrap()).unwrap()).await;
            match answer {
                Err(kube::Error::Api(status)) => {
                    assert!(!expected.is_empty() && status.message.contains(expected), "{what}: {}", status.message);
                }
                other => assert!(expected.is_empty() && other.is_ok(), "{what}: {other:?}"),
            }
        }
    });
}

/// An object with every field there is: taken as it is, and read by the types.
#[test]
fn every_field_is_taken_and_read() {
    with_definition(async |client| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/tests/every_field.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        for document in serde_yaml::Deserializer::from_str(&text) {
            let given = Value::deserialize(document).unwrap();
            let name = given["metadata"]["name"].as_str().unwrap();
            let url = format!("{ELEMENTS}?fieldValidation=Strict");
            let request = http::Request::post(url).header("content-type", "application/json");
            let body = serde_json::to_vec(&given).unwrap();
            client.request::<Value>(request.body(body).unwrap()).await.unwrap();
            let typed: Api<StorageElement> = Api::namespaced(client.clone(), NAMESPACE);
            if given.get("status").is_some() {
                let patch = json!({"status": given["status"]});
                typed.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
            }
            let read = typed.get(name).await.unwrap();
            assert_eq!(read.status.is_some(), given.get("status").is_some());
            // What the types write is what the API server has: written back, nothing changes but numbers that are text now.
            let written = typed.replace(name, &PostParams::default(), &read).await.unwrap();
            assert_eq!(written.spec, read.spec);
            typed.delete(name, &DeleteParams::default()).await.unwrap();
        }
    });
}

/// What `kubectl explain` reads: the API server's own OpenAPI document.
#[test]
fn explain_reads_like_a_manual() {
    with_definition(async |client| {
        let begun = Instant::now();
        let spec = loop {
            let document = openapi(&client).await;
            let schemas = document.as_ref().and_then(|document| document.pointer("/components/schemas"));
            let schema = schemas.and_then(|schemas| schemas.get("dev.artstore.storage.v1alpha1.StorageElement"));
            if let Some(spec) = schema.and_then(|schema| schema.pointer("/properties/spec")) {
                break spec.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "the API server does not publish the kind");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let table = [
            ("/properties/backend/properties/local", "a claim named `NAME-data`"),
            ("/properties/backend/properties/local/properties/size", "never becomes smaller"),
            ("/properties/mode", "one step at a time"),
            ("/properties/podTemplate/properties/imagePullPolicy", "Unset: IfNotPresent"),
            ("/properties/transition/properties/rollback", "carried out once for each `requestID`"),
        ];
        for (path, expected) in table {
            let description = spec.pointer(path).and_then(|node| node["description"].as_str()).unwrap_or_default();
            assert!(description.contains(expected), "{path}: {description:?}");
        }
    });
}

async fn openapi(client: &Client) -> Option<Value> {
    let request = http::Request::get("/openapi/v3/apis/storage.artstore.dev/v1alpha1").body(Vec::new()).unwrap();
    client.request(request).await.ok()
}

#[test]
fn kubectl_get_shows_the_columns_and_scale_works() {
    with_definition(async |client| {
        let api = elements(&client);
        let name = "in-a-table";
        let new = object(json!({
            "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement", "metadata": {"name": name},
            "spec": {"mode": "rw", "backend": {"local": {"size": "10Gi"}}},
        }));
        api.create(&PostParams::default(), &new).await.unwrap();
        let now = "2026-11-28T20:00:00Z";
        let ready =
            json!({"type": "Ready", "status": "True", "reason": "Serving", "message": "", "lastTransitionTime": now});
        let status = json!({"status": {
            "mode": "rw", "conditions": [ready], "master": {"pod": "in-a-table-0"}, "backend": "local",
            "files": {"active": 17}, "capacity": {"used": "412Gi", "level": "ok"}, "replicas": 1,
            "selector": "app=x",
        }});
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
        let url = format!("{ELEMENTS}/{name}");
        let request = http::Request::get(&url).header("accept", "application/json;as=Table;g=meta.k8s.io;v=v1");
        let table: Value = client.request(request.body(Vec::new()).unwrap()).await.unwrap();
        let columns: Vec<_> =
            table["columnDefinitions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        let expected =
            ["Name", "Mode", "Ready", "Master", "Backend", "Files", "Used", "Age", "Transition", "Replicas", "Version"];
        assert_eq!(columns, expected);
        let cells = table["rows"][0]["cells"].as_array().unwrap();
        assert_eq!(
            cells[..7],
            json!([name, "rw", "True", "in-a-table-0", "local", 17, "412Gi"]).as_array().unwrap()[..]
        );

        let scale: Value =
            client.request(http::Request::get(format!("{url}/scale")).body(Vec::new()).unwrap()).await.unwrap();
        assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(1), &json!("app=x")));
        let down = json!({"spec": {"replicas": 0}});
        api.patch_scale(name, &PatchParams::default(), &Patch::Merge(&down)).await.unwrap();
        let up = json!({"spec": {"replicas": 2}});
        let refused = api.patch_scale(name, &PatchParams::default(), &Patch::Merge(&up)).await;
        assert!(
            matches!(&refused, Err(kube::Error::Api(status)) if status.message.contains("database.postgres")),
            "{refused:?}"
        );
        api.delete(name, &DeleteParams::default()).await.unwrap();
    });
}
