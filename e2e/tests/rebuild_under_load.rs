//! The cache is made again while everyone reads and writes: nobody sees a missing or an old file; a rebuild that is
//! killed ends right the next time; and what a backup brought back is never taken for rubbish.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use storage_element_e2e::planted::{Planted, plant_many};
use storage_element_e2e::storage::ATTR_SUFFIX;
use storage_element_e2e::{Client, Content, Ledger, Make, Node, Storage, Upload, check, job, on_every_make};
use tokio::task::JoinSet;

const REBUILD: &str = "/api/v1/admin/cache/rebuild";
const GC: &str = "/api/v1/admin/gc";
const FILES: u32 = 3000;
/// On the makes that take a round trip for each, so that the test stays within a minute.
const FEWER_FILES: u32 = 800;
const FILES_IN_A_BUCKET: u32 = 300;
/// And their readers leave the rebuild a share of a machine with two cores.
const A_BREATH: Duration = Duration::from_millis(50);
const READERS: usize = 20;
const FEWER_READERS: usize = 5;
const WRITERS: usize = 4;
const REBUILDS: usize = 3;

/// A file and the revision that was last acknowledged: nobody may see a lower one from then on.
struct Watched {
    planted: Planted,
    acknowledged: AtomicU64,
}

/// What readers, writers and the rebuilds share.
struct Scene {
    user: Client,
    /// After each read.
    breath: Duration,
    files: Vec<Watched>,
    done: AtomicBool,
    reads: AtomicU64,
    writes: AtomicU64,
}

async fn readers_and_writers_do_not_notice_a_rebuild(make: Make) -> Result<()> {
    let mut node = make.setup().start()?;
    let (user, admin) = (node.client("user")?, node.client("admin")?);
    let many = match make {
        Make::SqliteLocal => FILES,
        Make::PostgresLocal => FEWER_FILES,
        Make::SqliteS3 | Make::PostgresS3 => FILES_IN_A_BUCKET,
    };
    let files = plant(&node, many).await?;
    job::run(&admin, REBUILD, None).await?;
    let watch = |planted| Watched { planted, acknowledged: AtomicU64::new(1) };
    let scene = Arc::new(Scene {
        user,
        breath: if many == FILES { Duration::ZERO } else { A_BREATH },
        files: files.into_iter().map(watch).collect(),
        done: AtomicBool::new(false),
        reads: AtomicU64::new(0),
        writes: AtomicU64::new(0),
    });

    let mut crowd = JoinSet::new();
    for _ in 0..if many == FILES { READERS } else { FEWER_READERS } {
        crowd.spawn(read(Arc::clone(&scene)));
    }
    for number in 0..WRITERS {
        crowd.spawn(write(Arc::clone(&scene), number));
    }
    let mut before = 0;
    for _ in 0..REBUILDS {
        let report = job::run(&admin, REBUILD, None).await?;
        ensure!(report["files"].as_u64() >= Some(u64::from(many)) && report["removed_rows"] == 0, "{report}");
        let reads = scene.reads.load(Ordering::SeqCst);
        println!("{} reads during a rebuild: {report}", reads - before);
        before = reads;
    }
    scene.done.store(true, Ordering::SeqCst);
    while let Some(one) = crowd.join_next().await {
        one??;
    }
    let (reads, writes) = (scene.reads.load(Ordering::SeqCst), scene.writes.load(Ordering::SeqCst));
    println!("{reads} reads, {writes} writes");
    ensure!(reads > 100 && writes > 10, "{reads} reads and {writes} writes prove nothing");
    node.stop()?;
    check::verify_finds_nothing(&node)?;
    Ok(())
}

async fn read(scene: Arc<Scene>) -> Result<()> {
    while !scene.done.load(Ordering::SeqCst) {
        let file = &scene.files[rand::random_range(0..scene.files.len())];
        let least = file.acknowledged.load(Ordering::SeqCst);
        let item = match rand::random_range(0..3) {
            0 => scene.user.metadata(&file.planted.file_id).await?.expect(200)?.json()?,
            1 => listed(&scene.user, file).await?,
            _ => {
                let (status, sha256, _) = scene.user.download_digest(&file.planted.file_id).await?;
                ensure!((status, &sha256) == (200, &file.planted.sha256), "{}: {status}", file.planted.path);
                json!({"file_id": file.planted.file_id, "revision": least})
            }
        };
        ensure!(item["file_id"] == file.planted.file_id.as_str(), "another file than {}: {item}", file.planted.path);
        let revision = item["revision"].as_u64();
        ensure!(revision >= Some(least), "revision {least} had been acknowledged before this was read: {item}");
        scene.reads.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(scene.breath).await;
    }
    Ok(())
}

/// The file as the list has it, found by its second.
async fn listed(user: &Client, file: &Watched) -> Result<Value> {
    let name = file.planted.path.rsplit('/').next().and_then(|name| name.split('_').next()).context("no name")?;
    let filename = format!("{name}.txt");
    let mut page = user.query("/api/v1/files", &[("filename", filename.as_str())]).await?.expect(200)?.json()?;
    let items = page["items"].as_array_mut().context("no items")?;
    let found = items.iter_mut().find(|item| item["file_id"] == file.planted.file_id.as_str());
    Ok(found.with_context(|| format!("{filename} is missing in the list"))?.take())
}

/// Changes files, each writer its own share of them, adds files, and reads its own writes.
async fn write(scene: Arc<Scene>, number: usize) -> Result<()> {
    let mut round = 0;
    while !scene.done.load(Ordering::SeqCst) {
        round += 1;
        let share = scene.files.len() / WRITERS;
        let file = &scene.files[rand::random_range(0..share) * WRITERS + number];
        let patch = json!({"description": format!("change {round} of writer {number}")});
        let changed = scene.user.patch(&file.planted.file_id, &patch).await?.expect(200)?.json()?;
        let revision = changed["revision"].as_u64().context("no revision")?;
        file.acknowledged.store(revision, Ordering::SeqCst);

        let name = format!("new-{number}-{round}.txt");
        let id = scene.user.upload(&Upload::new(&name, Content::bytes(name.clone()))).await?.expect(201)?.file_id()?;
        scene.user.metadata(&id).await?.expect(200)?;
        let found = scene.user.query("/api/v1/files", &[("filename", &name)]).await?.expect(200)?.json()?;
        ensure!(found["items"][0]["file_id"] == id.as_str(), "{name} is missing in the list: {found}");
        scene.writes.fetch_add(2, Ordering::SeqCst);
    }
    Ok(())
}

async fn a_rebuild_killed_in_the_middle_ends_right_the_next_time(make: Make) -> Result<()> {
    let mut node = make.setup().start()?;
    let files = plant(&node, FILES).await?;
    let admin = node.client("admin")?;
    let url = job::begin(&admin, REBUILD, None).await?;
    let begun = Instant::now();
    loop {
        let listed = admin.get("/api/v1/files?limit=1&offset=0").await?.expect(200)?.json()?["total"].as_u64();
        // In the middle: some rows are there, most are not.
        if listed > Some(1) {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "the rebuild does not come forward");
    }
    node.kill()?;
    node.start()?;
    let killed = job::look(&admin, &url).await?;
    ensure!(killed["state"] == "interrupted", "the killed job is {killed}");

    let report = job::run(&admin, REBUILD, None).await?;
    ensure!(report["files"] == FILES + 1, "{report}");
    let items = admin.all("/api/v1/files", &[]).await?;
    ensure!(items.len() == files.len() + 1, "{} files instead of {}", items.len(), files.len() + 1);
    let info = admin.get("/api/v1/info").await?.expect(200)?.json()?;
    ensure!(info["files"]["active"] == FILES + 1, "{info}");
    node.stop()?;
    check::verify_finds_nothing(&node)?;
    Ok(())
}

/// Many files of a day long ago, in the storage of a running node that knows nothing of them, beside one it knows.
async fn plant(node: &Node, files: u32) -> Result<Vec<Planted>> {
    let upload = Upload::new("first.txt", Content::bytes("first"));
    let first = node.client("user")?.upload(&upload).await?.expect(201)?.json()?;
    let template = node.storage().attr_of(&first).await?;
    plant_many(node.storage(), &template, files).await
}

async fn gc_takes_nothing_of_a_restored_volume(make: Make) -> Result<()> {
    let mut node = make.setup().setting("retention.deleted_grace_hours", 0).start()?;
    let (user, admin) = (node.client("user")?, node.client("admin")?);
    let (mut ledger, mut bare) = (Ledger::new(), Vec::new());
    for number in 0..20 {
        let upload = Upload::new(format!("file-{number}.txt"), Content::bytes(format!("content {number}")));
        if number % 4 == 0 {
            let sent = user.upload(&upload).await?.expect(201)?.json()?;
            bare.push(sent["storage_path"].as_str().context("no path")?.to_owned());
        } else {
            ledger.upload(&user, &number.to_string(), upload).await?.context("no answer")?.expect(201)?;
        }
    }
    node.stop()?;
    restore(&node, &bare).await?;
    node.start()?;

    let before = data_at(node.storage(), &bare).await?;
    for _ in 0..2 {
        let report = job::run(&admin, GC, None).await?;
        ensure!(report["purged"] == 0 && report["expired"] == 0 && report["orphans_moved"] == 0, "{report}");
    }
    ensure!(data_at(node.storage(), &bare).await? == before, "gc changed data without attr");
    ledger.compare(&user).await?;

    // Asked for, data that nobody knows is set aside, not removed.
    let report = job::run(&admin, GC, Some(&json!({"orphans": true}))).await?;
    ensure!(report["orphans_moved"] == bare.len() as u64 && report["purged"] == 0, "{report}");
    let names: Vec<String> = node.storage().names().await?.into_keys().collect();
    ensure!(bare.iter().all(|path| !names.contains(path)), "data without attr is still in its place");
    let aside: Vec<String> = names.into_iter().filter(|name| name.starts_with(".quarantine/")).collect();
    let (mut aside, mut expected) = (data_at(node.storage(), &aside).await?, before);
    aside.sort();
    expected.sort();
    ensure!(aside == expected, "the quarantine does not hold what was set aside");
    check::everything(&mut node, &ledger).await
}

/// As a backup brings it back: a new catalog, the attrs of some files missing, and on a volume every file copied with
/// an old time.
async fn restore(node: &Node, without_attr: &[String]) -> Result<()> {
    node.database().lose()?;
    for path in without_attr {
        node.storage().remove(&format!("{path}{ATTR_SUFFIX}")).await?;
    }
    if let Storage::Folder(root) = node.storage() {
        for name in node.storage().names().await?.into_keys() {
            let file = File::options().append(true).open(root.join(name))?;
            file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000))?;
        }
    }
    Ok(())
}

async fn data_at(storage: &Storage, paths: &[String]) -> Result<Vec<Bytes>> {
    let mut all = Vec::new();
    for path in paths {
        all.push(storage.read(path).await?.with_context(|| format!("{path} is lost"))?);
    }
    Ok(all)
}

on_every_make!(
    readers_and_writers_do_not_notice_a_rebuild,
    a_rebuild_killed_in_the_middle_ends_right_the_next_time,
    gc_takes_nothing_of_a_restored_volume
);
