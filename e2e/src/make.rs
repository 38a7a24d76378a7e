//! The makes of a node: each catalog with each storage.

use crate::Setup;

/// A catalog and a storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// SQLite and a folder.
    SqliteLocal,
    /// PostgreSQL and a folder.
    PostgresLocal,
    /// SQLite and a bucket.
    SqliteS3,
    /// PostgreSQL and a bucket.
    PostgresS3,
}

impl Make {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SqliteLocal, Self::PostgresLocal, Self::SqliteS3, Self::PostgresS3];

    /// The choices for a node of this make.
    pub fn setup(self) -> Setup {
        Setup::new().make(self)
    }

    /// Whether its files are in a folder.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::SqliteLocal | Self::PostgresLocal)
    }

    /// Whether its catalog is a file.
    pub const fn is_sqlite(self) -> bool {
        matches!(self, Self::SqliteLocal | Self::SqliteS3)
    }
}

/// Makes four tests of each function: `async fn name(make: Make) -> anyhow::Result<()>`. They are called
/// `name::sqlite_local` and so on. After `blocking:` come functions that are not async.
#[macro_export]
macro_rules! on_every_make {
    (blocking: $($name:ident),+ $(,)?) => {$(
        mod $name {
            $crate::on_every_make!(@blocking $name;
                sqlite_local SqliteLocal, postgres_local PostgresLocal, sqlite_s3 SqliteS3, postgres_s3 PostgresS3);
        }
    )+};
    (@blocking $name:ident; $($test:ident $make:ident),+) => {$(
        #[test]
        fn $test() -> anyhow::Result<()> {
            super::$name($crate::Make::$make)
        }
    )+};
    (@async $name:ident; $($test:ident $make:ident),+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() -> anyhow::Result<()> {
            super::$name($crate::Make::$make).await
        }
    )+};
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            $crate::on_every_make!(@async $name;
                sqlite_local SqliteLocal, postgres_local PostgresLocal, sqlite_s3 SqliteS3, postgres_s3 PostgresS3);
        }
    )+};
}
