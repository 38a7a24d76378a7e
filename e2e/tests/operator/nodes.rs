//! What the operator and the nodes say to each other over the peer port.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::ground::{Ground, plane, runtime, small, until};
use crate::scripted::{ELEMENT_ID, Script, Shared, serve};

/// An element whose one pod is a scripted node at `address`.
async fn running(ground: &Ground, address: &str, script: Script) -> Shared {
    until("the pod is made", async || !ground.pods("a").await.is_empty()).await;
    let shared = serve(ground, "a", address, script).await;
    let uid = ground.get("Pod", "a-0").await.unwrap()["metadata"]["uid"].as_str().unwrap().to_owned();
    shared.lock().unwrap().master = format!("a-0_{uid}_process");
    ground.make_master("a", "a-0").await;
    ground.make_ready_at("a-0", address).await;
    until("its id is known", async || ground.element("a").await["status"]["elementID"] == ELEMENT_ID).await;
    shared
}

fn script(mode: &str) -> Script {
    Script { mode: mode.to_owned(), ..Script::default() }
}

#[test]
fn what_a_node_says_is_told() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let node = running(&ground, "127.0.10.1", script("rw")).await;
        until("it is ready", async || ground.condition("a", "Ready").await.0 == "True").await;
        until("the term is known", async || ground.element("a").await["status"]["master"]["epoch"] == 7).await;
        let status = ground.element("a").await["status"].clone();
        assert_eq!((&status["mode"], &status["version"]), (&json!("rw"), &json!("0.1.0")));
        assert_eq!(status["files"]["active"], 12);
        assert_eq!(status["capacity"]["level"], "ok");
        for (of, expected) in [("BackendReachable", "True"), ("ModeDrift", "False"), ("KeysValid", "True")] {
            assert_eq!(ground.condition("a", of).await.0, expected, "{of}");
        }
        // One call a minute; a few more while everything was new.
        let before = node.lock().unwrap().infos;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(node.lock().unwrap().infos <= before + 1, "polled too often; {}", operator.log());
    });
}

#[test]
fn a_change_of_mode_is_drained_then_committed_and_never_goes_back() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let node = running(&ground, "127.0.10.2", Script { drains: 2, ..script("rw") }).await;
        let pod = ground.get("Pod", "a-0").await.unwrap()["metadata"]["uid"].clone();
        ground.patch("a", &json!({"spec": {"mode": "ro"}})).await;
        until("the mode is ro", async || ground.element("a").await["status"]["mode"] == "ro").await;
        until("it is told as done", async || ground.condition("a", "ModeTransition").await.1 == "Completed").await;
        let asked = node.lock().unwrap().asked.clone();
        let expected = ["prepare 1", "prepare 1", "prepare 1", "commit 1"];
        assert_eq!(asked, expected, "drained until it was prepared, then committed; {}", operator.log());
        assert_eq!(ground.get("Pod", "a-0").await.unwrap()["metadata"]["uid"], pod, "no pod was restarted");
        let history = ground.element("a").await["status"]["modeHistory"].clone();
        assert_eq!((&history[0]["mode"], &history[1]["mode"]), (&json!("ro"), &json!("rw")));

        // The node goes on by itself: it is told, and stays.
        node.lock().unwrap().mode = "ar".to_owned();
        let begun = Instant::now();
        while ground.condition("a", "ModeDrift").await.1 != "NodeAhead" {
            assert!(begun.elapsed() < Duration::from_secs(150), "polled once a minute");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(node.lock().unwrap().asked.len(), expected.len(), "nothing is asked for a step back");
    });
}

#[test]
fn a_change_of_mode_survives_the_operator_at_every_write() {
    plane();
    runtime().block_on(async {
        let ground = Ground::new().await;
        let operator = ground.operator().start_ready().unwrap();
        ground.apply("a", &small()).await;
        ground.settled("a").await;
        let node = running(&ground, "127.0.10.3", Script { drains: 1, ..script("rw") }).await;
        until("it is ready", async || ground.condition("a", "Ready").await.0 == "True").await;
        drop(operator);
        ground.patch("a", &json!({"spec": {"mode": "ro"}})).await;
        let begun = Instant::now();
        let done = async || {
            let completed = ground.condition("a", "ModeTransition").await.1 == "Completed";
            completed && ground.element("a").await["status"]["mode"] == "ro"
        };
        while !done().await {
            assert!(begun.elapsed() < Duration::from_mins(4), "{:?}", node.lock().unwrap().asked);
            let operator = ground.operator().with("EXIT_AFTER_WRITES", "1").start().unwrap();
            let started = Instant::now();
            while operator.process().is_running() && started.elapsed() < Duration::from_secs(8) && !done().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        let asked = node.lock().unwrap().asked.clone();
        assert!(asked.iter().filter(|request| request.starts_with("commit")).count() <= 2, "{asked:?}");
        assert!(asked.iter().all(|request| request.ends_with(" 1")), "one transition, begun once: {asked:?}");
    });
}

#[test]
fn files_that_something_keeps_outlive_delete() {
    plane();
    runtime().block_on(async {
        for (address, holds, kept) in [("127.0.10.4", 1, true), ("127.0.10.5", 0, false)] {
            let ground = Ground::new().await;
            let _operator = ground.operator().start_ready().unwrap();
            let mut spec = small();
            spec["deletionPolicy"] = json!("Delete");
            ground.apply("a", &spec).await;
            ground.settled("a").await;
            let _node = running(&ground, address, Script { legal_holds: holds, ..script("rw") }).await;
            ground.delete_element("a").await;
            until("the element is gone", async || {
                ground.end_deleted_pods("a").await;
                ground.elements().get_opt("a").await.unwrap().is_none()
            })
            .await;
            let claim = ground.get("PersistentVolumeClaim", "a-data").await;
            let stays = claim.is_some_and(|claim| claim["metadata"]["deletionTimestamp"].is_null());
            assert_eq!(stays, kept, "PROMISE BROKEN: {holds} files held");
        }
    });
}
