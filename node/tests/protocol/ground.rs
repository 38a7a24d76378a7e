//! The folder of an element, on which nodes are started and past which a test reaches.

use std::fs;
use std::path::{Path, PathBuf};

use storage_element_crds::Mode;
use storage_node::catalog::Catalog;
use storage_node::catalog::sqlite::{SqliteCatalog, SqliteOptions};
use storage_node::element::Adoption;
use storage_node::settling::{Successor, TakenOver, TakeoverError, take_over};
use storage_node::storage::Storage;
use storage_node::storage::local::LocalStorage;
use tempfile::TempDir;

/// The folder of an element: its volume and its catalog.
pub struct Ground(TempDir);

impl Ground {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("volume")).unwrap();
        Self(folder)
    }

    pub fn volume(&self) -> PathBuf {
        self.0.path().join("volume")
    }

    pub fn database(&self) -> PathBuf {
        self.0.path().join("catalog/catalog.sqlite")
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.volume().join(path)
    }

    /// Puts bytes below the volume's root.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), bytes).unwrap();
    }

    pub fn storage(&self) -> LocalStorage {
        LocalStorage::open(&self.volume()).unwrap()
    }

    /// What any term has staged, and what is kept aside.
    pub fn staged(&self) -> Vec<String> {
        let mut names = Vec::new();
        for kept in [".staging", ".trash"] {
            for folder in names_in(&self.at(kept)) {
                names.extend(names_in(&self.at(kept).join(folder)));
            }
        }
        names
    }

    pub async fn catalog(&self) -> SqliteCatalog {
        SqliteCatalog::open(&self.database(), SqliteOptions::default()).await.unwrap()
    }

    /// Takes over as `serve` does.
    pub async fn take_over(&self, storage: &dyn Storage, catalog: &dyn Catalog) -> Result<TakenOver, TakeoverError> {
        catalog.migrate().await?;
        take_over(storage, catalog, &successor()).await
    }
}

pub fn successor() -> Successor {
    Successor {
        holder: "the test".to_owned(),
        address: None,
        above: 0,
        initial_mode: Mode::Edit,
        expected_id: None,
        adoption: Adoption::Always,
    }
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
