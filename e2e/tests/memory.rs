//! Memory does not grow with the size of a file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use storage_element_e2e::{Content, Node, Setup, Upload};

const FILE_BYTES: u64 = 2 << 30;
const LIMIT_KIB: u64 = 64 * 1024;
const SAMPLE_EVERY: Duration = Duration::from_millis(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gibibytes_up_and_down_take_less_than_64_mebibytes_of_memory() -> Result<()> {
    let node = Setup::new().start()?;
    let client = node.client("user")?;
    let done = AtomicBool::new(false);

    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        let highest = scope.spawn(|| sample_until(&node, &done));
        let moved = scope.spawn(|| {
            let result = runtime.block_on(up_and_down(&client));
            done.store(true, Ordering::SeqCst);
            result
        });
        moved.join().map_err(|_| anyhow::anyhow!("the transfer panicked"))??;
        let highest = highest.join().map_err(|_| anyhow::anyhow!("the sampler panicked"))??;
        ensure!(highest < LIMIT_KIB, "RSS reached {highest} KiB, the limit is {LIMIT_KIB} KiB");
        // The kernel's own record of the highest point misses nothing between two samples.
        let peak = node.memory_kib("VmHWM")?;
        ensure!(peak < LIMIT_KIB, "RSS peaked at {peak} KiB, the limit is {LIMIT_KIB} KiB");
        Ok(())
    })
}

async fn up_and_down(client: &storage_element_e2e::Client) -> Result<()> {
    let content = Content::Generated { seed: 7, size: FILE_BYTES };
    let id = client.upload(&Upload::new("two gibibytes.bin", content.clone())).await?.expect(201)?.file_id()?;
    let (status, sha256, size) = client.download_digest(&id).await?;
    ensure!((status, size) == (200, FILE_BYTES), "the download was answered {status} with {size} bytes");
    ensure!(sha256 == content.sha256()?, "the file came back different");
    Ok(())
}

fn sample_until(node: &Node, done: &AtomicBool) -> Result<u64> {
    let mut highest = 0;
    while !done.load(Ordering::SeqCst) {
        highest = highest.max(node.memory_kib("VmRSS")?);
        std::thread::sleep(SAMPLE_EVERY);
    }
    ensure!(highest > 0, "no sample was taken");
    Ok(highest)
}
