//! Files that would run if a browser let them, opened in a real one: nothing of them runs.

mod browser;
mod gateway;

use anyhow::{Context, Result, ensure};
use browser::Look;
use gateway::Gateway;
use storage_element_e2e::{Content, Node, Setup, Upload};

/// Text of the uploaded files that is seen only where one is shown.
const MARK: &str = "the uploaded page is shown";

/// An answer as it is, and without what protects it.
const WHOLE: &str = "all";
const AS_A_PAGE: &str = "content-disposition";
const UNPROTECTED: &str = "content-disposition+content-security-policy";

/// Files whose scripts ask for `/canary/NAME…` and change the title.
fn hostile() -> [(&'static str, &'static str, String); 4] {
    let script = |name: &str| format!("new Image().src='/canary/{name}';document.title='it ran'");
    let html = |name: &str| {
        format!(
            "<!doctype html><title>still</title><p>{MARK}</p><script>{}</script><img src=x: onerror=\"{}\">\
             <iframe srcdoc=\"<script>new Image().src='/canary/{name}-nested'</script>\"></iframe>\
             <body onload=\"{}\">",
            script(name),
            script(&format!("{name}-error")),
            script(&format!("{name}-load")),
        )
    };
    let picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"{}\"><text y=\"20\">{MARK}</text><script>{}</script></svg>",
        script("svg-load"),
        script("svg"),
    );
    let page = format!(
        "<html xmlns=\"http://www.w3.org/1999/xhtml\"><body><p>{MARK}</p><script>{}</script></body></html>",
        script("xhtml")
    );
    [
        ("page.html", "text/html", html("html")),
        ("picture.svg", "image/svg+xml", picture),
        ("page.xhtml", "application/xhtml+xml", page),
        // A browser that guessed would find HTML.
        ("notes.txt", "text/plain", html("txt")),
    ]
}

struct Place {
    node: Node,
    gateway: Gateway,
    /// Paths of the downloads, in the order of [`hostile`].
    downloads: Vec<String>,
}

impl Place {
    async fn start() -> Result<Self> {
        let node = Setup::new().start()?;
        let user = node.client("user")?;
        let mut downloads = Vec::new();
        for (name, content_type, text) in hostile() {
            let upload = Upload::new(name, Content::bytes(text)).content_type(content_type);
            let id = user.upload(&upload).await?.expect(201)?.file_id()?;
            downloads.push(format!("/api/v1/files/{id}/download"));
        }
        // A page of another's that shows all of them inside of itself.
        let frames = downloads.iter().flat_map(|path| {
            [WHOLE, AS_A_PAGE].map(|way| {
                let url = format!("/{way}{path}");
                format!("<iframe src=\"{url}\"></iframe><object data=\"{url}\"></object><embed src=\"{url}\">")
            })
        });
        let page = format!("<title>frames</title>{}", frames.collect::<String>());
        let gateway = Gateway::start(&node, page)?;
        Ok(Self { node, gateway, downloads })
    }

    /// Opens a path of the gateway: the document, its console, and the canaries that were asked for.
    fn open(&self, path: &str) -> Result<(browser::Visit, Vec<String>)> {
        self.gateway.asked();
        let visit = browser::open(&self.gateway.url(path), Look::Loaded).with_context(|| path.to_owned())?;
        let asked = self.gateway.asked();
        let last = path.rsplit('?').next().unwrap_or(path);
        ensure!(asked.iter().any(|asked| asked == last), "the browser never asked for {last}: {asked:?}");
        Ok((visit, asked.into_iter().filter(|asked| asked.starts_with("/canary/")).collect()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uploaded_page_opened_by_its_url_runs_nothing() -> Result<()> {
    let place = Place::start().await?;
    // HTML and SVG, the one after the other, then all of them as parts of another page.
    for download in &place.downloads[..2] {
        let (visit, canaries) = place.open(&format!("/to/?/{WHOLE}{download}"))?;
        ensure!(canaries.is_empty(), "{download} ran: {canaries:?}");
        // It was saved: the browser is still where it was led from.
        ensure!(visit.dom.contains("leading on") && !visit.dom.contains(MARK), "{download} is shown: {}", visit.dom);

        // The sandbox alone holds, too: where the file is shown, it is not run.
        let (visit, canaries) = place.open(&format!("/{AS_A_PAGE}{download}"))?;
        ensure!(visit.dom.contains(MARK), "{download} is not shown without its disposition: {}", visit.dom);
        ensure!(canaries.is_empty() && !visit.dom.contains("it ran</title>"), "{download} ran: {canaries:?}");
        let blocked = visit.console.iter().any(|line| line.contains("sandboxed"));
        ensure!(blocked, "the browser does not say that it stopped {download}: {:?}", visit.console);
    }
    let (_, canaries) = place.open("/page/frames")?;
    ensure!(canaries.is_empty(), "as part of a page something ran: {canaries:?}");
    Ok(())
}

/// The other tests would see it if something ran.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_files_run_where_nothing_protects() -> Result<()> {
    let place = Place::start().await?;
    for (download, canary) in place.downloads.iter().zip(["/canary/html", "/canary/svg"]) {
        for way in ["", "/to/?"] {
            let (visit, canaries) = place.open(&format!("{way}/{UNPROTECTED}{download}"))?;
            let ran = canaries.iter().any(|asked| asked == canary);
            ensure!(ran, "{way}{download} did not run: {canaries:?}, {}", visit.dom);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_docs_page_shows_the_operations_under_its_policy() -> Result<()> {
    let place = Place::start().await?;
    let page = place.node.client("user")?.with_token(None).get("/docs").await?.expect(200)?;
    let policy = page.header("content-security-policy").context("no policy")?;
    ensure!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "the policy is {policy}");
    let visit = browser::open(&format!("{}/docs", place.node.url()), Look::Settled)?;
    for operation in ["/api/v1/files/upload", "/api/v1/files/{id}/download", "/api/v1/admin/mode"] {
        ensure!(visit.dom.contains(&format!("data-path=\"{operation}\"")), "{operation} is not shown: {}", visit.dom);
    }
    ensure!(visit.console.is_empty(), "the console shows {:?}", visit.console);
    Ok(())
}
