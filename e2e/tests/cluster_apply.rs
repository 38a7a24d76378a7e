//! `kubectl apply` of a StorageElement on a real Kubernetes, and what a platform engineer has then: a running element,
//! files up and down through its Service, an id that outlives it. Needs root and Debian's containerd.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use storage_element_e2e::link::Target;
use storage_element_e2e::versitygw::Versitygw;
use storage_element_e2e::{Cluster, Link, Postgres, binaries};

/// Where the nodes find this machine.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);

fn element(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    // Failover within seconds keeps the test short.
    spec["election"] = json!({"leaseDurationSeconds": 6, "renewDeadlineSeconds": 4, "retryPeriodSeconds": 1});
    json!({
        "apiVersion": "storage.artstore.dev/v1alpha1", "kind": "StorageElement",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

struct Place {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Place {
    fn start() -> Self {
        let found = ["storage-node", "storage-operator"].map(|name| (name, binaries::find(name).unwrap()));
        let programs: Vec<(&str, &Path)> = found.iter().map(|(name, path)| (*name, path.as_path())).collect();
        let cluster = Cluster::start(2, &programs).unwrap();
        cluster.install_operator().unwrap();
        Self { cluster, folder: tempfile::tempdir().unwrap() }
    }

    fn ready(&self, name: &str) {
        let told =
            self.cluster.kubectl(&["wait", "--for=condition=Ready", &format!("se/{name}"), "--timeout=180s"]).unwrap();
        if !told.status.success() {
            let show = |arguments: &[&str]| self.cluster.kubectl_ok(arguments).unwrap_or_default();
            panic_with(&format!(
                "{name} is not ready:\n{}\n{}\n{}\n{}",
                show(&["get", "se", name, "-o", "yaml"]),
                show(&["get", "pods,pvc", "-o", "wide"]),
                show(&["get", "events"]),
                show(&["logs", &format!("{name}-0"), "--tail=40"]),
            ));
        }
    }

    /// A request through the element's Service, from one of the nodes' networks.
    fn ask(&self, name: &str, arguments: &[&str], path: &str) -> String {
        let address = self
            .cluster
            .kubectl_ok(&["get", "service", name, "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}"])
            .unwrap();
        let key = self.folder.path().join(format!("{name}.pem"));
        if !key.exists() {
            let secret = self
                .cluster
                .kubectl_ok(&[
                    "get",
                    "secret",
                    &format!("{name}-issuer"),
                    "-o",
                    "go-template={{index .data \"private.pem\" | base64decode}}",
                ])
                .unwrap();
            std::fs::write(&key, secret).unwrap();
        }
        let token = Command::new(binaries::find("storage-node").unwrap())
            .args(["token", "--sub", "ann", "--role", "admin", "--key"])
            .arg(&key)
            .output()
            .unwrap();
        let token = String::from_utf8(token.stdout).unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--net=/run/netns/se-e2e-2", "--", "curl", "-sS", "--fail-with-body", "--max-time", "30"]);
        command.args(["--retry", "5", "--retry-all-errors", "-H", &format!("Authorization: Bearer {}", token.trim())]);
        let output = command.args(arguments).arg(format!("http://{address}{path}")).output().unwrap();
        let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name} {path}: {text} {said}");
        text.into_owned()
    }

    /// Sends a file up and fetches it; its id.
    fn up_and_down(&self, name: &str) -> String {
        let content = format!("what {name} keeps\n");
        let file = self.folder.path().join("contract.txt");
        std::fs::write(&file, &content).unwrap();
        let form = format!("file=@{}", file.display());
        let said = self.ask(name, &["-F", &form, "-F", "description=a contract"], "/api/v1/files/upload");
        let id = serde_json::from_str::<Value>(&said).unwrap()["file_id"].as_str().unwrap().to_owned();
        assert_eq!(self.ask(name, &[], &format!("/api/v1/files/{id}/download")), content);
        id
    }

    fn element_id(&self, name: &str) -> String {
        self.cluster.kubectl_ok(&["get", "se", name, "-o", "jsonpath={.status.elementID}"]).unwrap()
    }
}

#[allow(clippy::panic, reason = "a test that has failed says why")]
fn panic_with(text: &str) {
    panic!("{text}");
}

#[test]
fn elements_of_every_kind_run_after_one_apply() {
    let place = Place::start();
    let cluster = &place.cluster;

    // One replica on embedded defaults: the sample as it is.
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/samples/embedded.yaml");
    cluster.kubectl_ok(&["apply", "-f", sample]).unwrap();
    place.ready("notes");
    let id = place.up_and_down("notes");
    let element = place.element_id("notes");

    // Deleted and applied again: Retain keeps every file, and the element is the same one.
    cluster.kubectl_ok(&["delete", "se", "notes", "--timeout=60s"]).unwrap();
    cluster
        .wait_for("the pods of the deleted element to go", |cluster| {
            Ok(cluster.kubectl_ok(&["get", "pod", "notes-0", "--ignore-not-found", "-o", "name"])?.is_empty())
        })
        .unwrap();
    cluster.kubectl_ok(&["apply", "-f", sample]).unwrap();
    place.ready("notes");
    assert!(place.ask("notes", &[], &format!("/api/v1/files/{id}/download")).contains("what notes keeps"));
    assert_eq!(place.element_id("notes"), element);

    // Three replicas on PostgreSQL, with a shared volume.
    let postgres = Postgres::start();
    let socket = postgres.folder().unwrap().join(".s.PGSQL.5432");
    let database = Link::at(HOST, Target::Unix(socket)).unwrap();
    let uri = format!("postgresql://se@{}/postgres?sslmode=disable", database.address());
    cluster.kubectl_ok(&["create", "secret", "generic", "db", &format!("--from-literal=uri={uri}")]).unwrap();
    let database = json!({"postgres": {"secretRef": {"name": "db", "key": "uri"}}});
    let local = json!({"local": {"size": "50Gi", "storageClassName": "shared", "accessModes": ["ReadWriteMany"]}});
    cluster
        .apply(&self::element(
            "contracts",
            &json!({"mode": "rw", "replicas": 3, "backend": local, "database": database}),
        ))
        .unwrap();
    place.ready("contracts");
    place.up_and_down("contracts");

    // The same on S3.
    let store = Versitygw::start();
    std::fs::create_dir(store.buckets().join("records")).unwrap();
    let address: SocketAddr = store.endpoint().trim_start_matches("http://").parse().unwrap();
    let link = Link::at(HOST, Target::Tcp(address)).unwrap();
    let (access, secret) = Versitygw::credentials();
    let literals = [format!("--from-literal=accessKeyID={access}"), format!("--from-literal=secretAccessKey={secret}")];
    cluster.kubectl_ok(&["create", "secret", "generic", "s3", &literals[0], &literals[1]]).unwrap();
    let bucket = json!({"s3": {
        "bucket": "records", "prefix": "2026/", "region": "us-east-1", "endpoint": format!("http://{}", link.address()),
        "forcePathStyle": true, "credentialsSecretRef": {"name": "s3"},
    }});
    cluster
        .apply(&self::element(
            "records",
            &json!({"mode": "rw", "replicas": 3, "backend": bucket, "database": database}),
        ))
        .unwrap();
    place.ready("records");
    place.up_and_down("records");
    println!("{}", cluster.kubectl_ok(&["get", "se", "-o", "wide"]).unwrap());
}
