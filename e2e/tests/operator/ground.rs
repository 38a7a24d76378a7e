//! A namespace with an operator of its own, and what a test asks of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde_json::{Value, json};
use storage_element_e2e::control_plane::{Access, Parts};
use storage_element_e2e::{ControlPlane, OperatorSetup};

/// How long anything may take on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Kinds that an element has, with their API version and plural.
pub const KINDS: [(&str, &str, &str); 12] = [
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("rbac.authorization.k8s.io/v1", "Role", "roles"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    ("coordination.k8s.io/v1", "Lease", "leases"),
    ("v1", "Secret", "secrets"),
    ("v1", "ConfigMap", "configmaps"),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    ("v1", "Service", "services"),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("v1", "Pod", "pods"),
];

/// The control plane of these tests: they read its audit log, so it is always their own.
pub fn plane() -> &'static ControlPlane {
    static PLANE: OnceLock<ControlPlane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = Parts::default().controllers().audit().start().unwrap();
        runtime().block_on(install(&plane.admin().clone()));
        plane
    })
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// The CustomResourceDefinition and the operator's role, as they are installed by people.
pub async fn install(admin: &Access) {
    let client = admin.client().await.unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("crds/storageelements.yaml")).unwrap();
    let definition: Value = serde_yaml::from_str(&text).unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("e2e").force();
    let name = "storageelements.storage.artstore.dev";
    definitions.patch(name, &params, &Patch::Apply(&definition)).await.unwrap();
    let elements: Api<DynamicObject> = Api::all_with(client.clone(), &element_resource());
    until("the CustomResourceDefinition is served", async || elements.list(&ListParams::default()).await.is_ok()).await;
    let text = std::fs::read_to_string(root.join("charts/kustomize/roles.yaml")).unwrap();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let role = Value::deserialize(document).unwrap();
        if role["kind"] == "ClusterRole" {
            let roles: Api<ClusterRole> = Api::all(client.clone());
            roles.patch(role["metadata"]["name"].as_str().unwrap(), &params, &Patch::Apply(&role)).await.unwrap();
        }
    }
}

pub fn element_resource() -> ApiResource {
    resource("storage.artstore.dev/v1alpha1", "StorageElement", "storageelements")
}

fn resource(api_version: &str, kind: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

/// Waits until `holds`.
pub async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, what, holds).await;
}

/// Waits until `holds`, for as long as it may take.
pub async fn until_within(patience: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A namespace of a test's own.
pub struct Ground {
    pub client: Client,
    pub namespace: String,
    operator: Access,
}

impl Ground {
    /// A fresh namespace, with an account for the operator that has the rights it is installed with, and no more.
    pub async fn new() -> Self {
        Self::on(plane()).await
    }

    /// The same on another control plane.
    pub async fn on(plane: &ControlPlane) -> Self {
        let admin = plane.admin();
        let client = admin.client().await.unwrap();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let wanted = serde_json::from_value(json!({"metadata": {"generateName": "files-"}})).unwrap();
        let namespace = namespaces.create(&PostParams::default(), &wanted).await.unwrap().name_any();
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        let account = serde_json::from_value(json!({"metadata": {"name": "storage-operator"}})).unwrap();
        accounts.create(&PostParams::default(), &account).await.unwrap();
        let binding: ClusterRoleBinding = serde_json::from_value(json!({
            "metadata": {"name": format!("operator-of-{namespace}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "storage-operator"},
            "subjects": [{"kind": "ServiceAccount", "name": "storage-operator", "namespace": namespace}],
        }))
        .unwrap();
        Api::all(client.clone()).create(&PostParams::default(), &binding).await.unwrap();
        let operator = admin.account(&namespace, "storage-operator").await.unwrap();
        Self { client, namespace, operator }
    }

    /// An operator for this namespace.
    pub fn operator(&self) -> OperatorSetup {
        OperatorSetup::new(&self.operator, &[&self.namespace]).with("POD_NAMESPACE", &self.namespace)
    }

    /// An operator for this namespace and another.
    pub fn operator_for(&self, other: &Self) -> OperatorSetup {
        let namespaces = [self.namespace.as_str(), other.namespace.as_str()];
        OperatorSetup::new(&self.operator, &namespaces).with("POD_NAMESPACE", &self.namespace)
    }

    /// A client with the operator's rights.
    pub async fn operator_client(&self) -> Client {
        self.operator.client().await.unwrap()
    }

    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let monitors = ("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors");
        let found = KINDS.iter().chain([&monitors]).find(|(_, of, _)| *of == kind).unwrap();
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource(found.0, found.1, found.2))
    }

    pub fn elements(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &element_resource())
    }

    /// Applies an element with this spec, as a person does.
    pub async fn apply(&self, name: &str, spec: &Value) -> DynamicObject {
        let element = json!({
            "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
            "metadata": {"name": name, "namespace": self.namespace}, "spec": spec,
        });
        self.elements().patch(name, &PatchParams::apply("person").force(), &Patch::Apply(&element)).await.unwrap()
    }

    /// A change that a person makes to an element.
    pub async fn patch(&self, name: &str, change: &Value) {
        self.elements().patch(name, &PatchParams::default(), &Patch::Merge(change)).await.unwrap();
    }

    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.api(kind).get_opt(name).await.unwrap().map(|object| serde_json::to_value(object).unwrap())
    }

    pub async fn element(&self, name: &str) -> Value {
        serde_json::to_value(self.elements().get(name).await.unwrap()).unwrap()
    }

    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Deletes an element, as a person does.
    pub async fn delete_element(&self, name: &str) {
        self.elements().delete(name, &DeleteParams::background()).await.unwrap();
    }

    /// A condition's status, reason and message.
    pub async fn condition(&self, name: &str, of: &str) -> (String, String, String) {
        let element = self.element(name).await;
        let conditions = element["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.into_iter().find(|condition| condition["type"] == of).unwrap_or_default();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"), text("message"))
    }

    /// Every object with the element's label: kind and name, UID and resourceVersion.
    pub async fn versions(&self, element: &str) -> BTreeMap<String, String> {
        let mut versions = BTreeMap::new();
        let selected = ListParams::default().labels(&format!("storage.artstore.dev/element={element}"));
        for (_, kind, _) in KINDS {
            for object in self.api(kind).list(&selected).await.unwrap() {
                let version = format!("{} {}", object.uid().unwrap(), object.resource_version().unwrap());
                versions.insert(format!("{kind} {}", object.name_any()), version);
            }
        }
        versions
    }

    /// Waits until the operator has made everything of an element and said so.
    pub async fn settled(&self, name: &str) {
        until("everything is made and told", async || {
            let element = self.element(name).await;
            let observed = &element["status"]["observedGeneration"];
            observed.is_i64() && *observed == element["metadata"]["generation"]
        })
        .await;
    }

    /// Reasons of the Events about an element.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let resource = resource("events.k8s.io/v1", "Event", "events");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let events = api.list(&ListParams::default()).await.unwrap();
        let about = |event: &DynamicObject| event.data["regarding"]["name"] == name;
        let text = |event: DynamicObject| {
            let field = |name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
            format!("{}: {}", field("reason"), field("note"))
        };
        events.into_iter().filter(about).map(text).collect()
    }

    /// Requests of this namespace's operator since `mark`, for which `wanted` holds.
    pub fn asked(
        &self,
        mark: u64,
        wanted: impl Fn(&storage_element_e2e::control_plane::Request) -> bool,
    ) -> Vec<String> {
        let user = format!("system:serviceaccount:{}:storage-operator", self.namespace);
        let requests = plane().audit().unwrap().since(mark, |request| request.user == user && wanted(request)).unwrap();
        requests.into_iter().map(|request| format!("{} {} -> {}", request.verb, request.uri, request.code)).collect()
    }
}

/// What one replica on a volume needs.
pub fn small() -> Value {
    json!({"mode": "rw", "backend": {"local": {"size": "1Gi"}}, "auth": {"jwt": {"keys": {"bits": 2048}}}})
}

/// Three replicas on a shared volume and PostgreSQL.
pub fn replicated() -> Value {
    json!({
        "mode": "rw", "replicas": 3,
        "backend": {"local": {"size": "1Gi", "accessModes": ["ReadWriteMany"]}},
        "database": {"postgres": {"secretRef": {"name": "db"}}},
        "auth": {"jwt": {"keys": {"bits": 2048}}},
    })
}
