//! Container images without a registry: one layer, made here, imported into containerd.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

/// The host part of every image made here. Nothing can be pulled from it.
pub const HOST: &str = "storage.artstore.test";

/// Who the programs run as, here and in `node/Dockerfile` and `operator/Dockerfile`.
pub const USER: &str = "65532:65532";

/// Where the authorities' certificates are inside.
pub const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where a program is inside.
pub fn inside(name: &str) -> String {
    format!("/usr/local/bin/{name}")
}

/// An image to be: a root folder and how it is started.
pub struct Image {
    reference: String,
    root: PathBuf,
    work: PathBuf,
    entrypoint: Vec<String>,
}

impl Image {
    /// `name` becomes `HOST/name:e2e`. `work` is a folder for what is in between.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(work: &Path, name: &str) -> Result<Self> {
        let work = work.join(name);
        let root = work.join("root");
        std::fs::create_dir_all(&root)?;
        Ok(Self { reference: reference(name), root, work, entrypoint: Vec::new() })
    }

    /// Puts a program at `/usr/local/bin/NAME`, with the libraries that it names if it is a dynamic one, and starts it.
    ///
    /// # Errors
    /// When a file cannot be copied.
    pub fn program(mut self, program: &Path) -> Result<Self> {
        let name = program.file_name().context("a program has a name")?.to_string_lossy().into_owned();
        let inside = inside(&name);
        self.copy(program, &inside)?;
        for library in libraries(program)? {
            self.copy(&library, &library.to_string_lossy())?;
        }
        if Path::new(AUTHORITIES).exists() {
            self.copy(AUTHORITIES.as_ref(), AUTHORITIES)?;
        }
        self.entrypoint = vec![inside];
        Ok(self)
    }

    /// Gives the image another name than that of its folder.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.reference = reference(name);
        self
    }

    /// Writes a file at an absolute path inside.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(self, inside: &str, content: &str) -> Result<Self> {
        let path = self.place(inside)?;
        std::fs::write(path, content)?;
        Ok(self)
    }

    /// Writes the image as an archive that `ctr images import` takes, and says where.
    ///
    /// # Errors
    /// When `tar` is missing or the disk is full.
    pub fn write(self) -> Result<PathBuf> {
        let layer = self.work.join("layer.tar");
        tar(&self.root, &layer, &["."])?;
        let digest = hex::encode(Sha256::digest(std::fs::read(&layer)?));
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "Entrypoint": self.entrypoint, "User": USER,
                "Env": [format!("SSL_CERT_FILE={AUTHORITIES}"), "PATH=/usr/local/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        });
        let manifest = json!([{"Config": "config.json", "RepoTags": [self.reference], "Layers": ["layer.tar"]}]);
        std::fs::write(self.work.join("config.json"), serde_json::to_vec(&config)?)?;
        std::fs::write(self.work.join("manifest.json"), serde_json::to_vec(&manifest)?)?;
        let archive = self.work.with_extension("tar");
        tar(&self.work, &archive, &["manifest.json", "config.json", "layer.tar"])?;
        std::fs::remove_dir_all(&self.work)?;
        Ok(archive)
    }

    fn place(&self, inside: &str) -> Result<PathBuf> {
        let path = self.root.join(inside.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        Ok(path)
    }

    fn copy(&self, from: &Path, inside: &str) -> Result<()> {
        std::fs::copy(from, self.place(inside)?).with_context(|| format!("{} cannot be copied", from.display()))?;
        Ok(())
    }
}

/// The full name of the image `name`.
pub fn reference(name: &str) -> String {
    format!("{HOST}/{name}:e2e")
}

/// The image whose only program waits for ever: the one that holds a pod's namespaces.
///
/// # Errors
/// When there is no C compiler.
pub fn pause(work: &Path) -> Result<PathBuf> {
    let (source, program) = (work.join("pause.c"), work.join("pause"));
    let code = "#include <signal.h>\n#include <stdlib.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
                static void end(int s) { (void)s; _exit(0); }\n\
                static void reap(int s) { (void)s; while (waitpid(-1, 0, WNOHANG) > 0); }\n\
                int main(void) { signal(SIGTERM, end); signal(SIGINT, end); signal(SIGCHLD, reap); for (;;) pause(); }\n";
    std::fs::write(&source, code)?;
    let compiled = Command::new("cc").args(["-static", "-Os", "-s", "-o"]).arg(&program).arg(&source).status();
    ensure!(compiled.is_ok_and(|status| status.success()), "no C compiler: install gcc and libc6-dev");
    Image::new(work, "pause-image")?.program(&program)?.named("pause").write()
}

/// The shared libraries of a program, the loader included; none for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("ldd is missing")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

fn tar(folder: &Path, archive: &Path, names: &[&str]) -> Result<()> {
    let mut command = Command::new("tar");
    command.args(["--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "--sort=name", "-cf"]);
    let status = command.arg(archive).arg("-C").arg(folder).args(names).status().context("tar is missing")?;
    ensure!(status.success(), "tar could not write {}", archive.display());
    Ok(())
}
