//! What every route answers in every mode to who may call it.

use bytes::Bytes;

/// The status and, for errors, the code, in `edit`, `rw`, `ro`, `ar`.
pub type Answers = [(u16, &'static str); 4];

/// What is sent.
#[derive(Clone, Copy)]
pub enum Sent {
    Nothing,
    Json(&'static str),
    File,
}

impl Sent {
    pub fn body(self) -> Option<(&'static str, Bytes)> {
        const FORM: &str =
            "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\na\r\n--b--\r\n";
        match self {
            Self::Nothing => None,
            Self::Json(text) => Some(("application/json", Bytes::from_static(text.as_bytes()))),
            Self::File => Some(("multipart/form-data; boundary=b", Bytes::from_static(FORM.as_bytes()))),
        }
    }
}

/// Whom a route is for: the lowest role, and whether a token is asked for at all.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub enum For {
    Everyone,
    User,
    Operator,
    Admin,
}

/// A route. `{id}` in its path is a file made for this request where the mode allows any.
pub struct Row {
    pub method: &'static str,
    /// As the document has it.
    pub route: &'static str,
    /// What comes instead of the route's last part, and the query.
    pub path: &'static str,
    pub sent: Sent,
    pub whom: For,
    pub answers: Answers,
}

const fn row(
    method: &'static str,
    route: &'static str,
    path: &'static str,
    sent: Sent,
    whom: For,
    answers: Answers,
) -> Row {
    Row { method, route, path, sent, whom, answers }
}

const fn always(status: u16) -> Answers {
    [(status, ""); 4]
}

const fn writes(status: u16) -> Answers {
    [(status, ""), (status, ""), REFUSED, REFUSED]
}

const REFUSED: (u16, &str) = (409, "MODE_NOT_ALLOWED");
const ARCHIVED: (u16, &str) = (409, "FILE_ARCHIVED");
const NO_STEP: (u16, &str) = (409, "INVALID_TRANSITION");
const CONFIRM: (u16, &str) = (409, "CONFIRMATION_REQUIRED");
const NONE: Answers = [(404, "NOT_FOUND"); 4];
const DOWNLOAD: Answers = [(200, ""), (200, ""), (200, ""), ARCHIVED];
const NOBODY: &str = "0199c0de-0000-7000-8000-00000000000a";
use For::{Admin, Everyone, Operator, User};
use Sent::{File, Json, Nothing};

/// Every route, and some twice.
#[rustfmt::skip]
pub fn table() -> Vec<Row> {
    vec![
        row("GET", "/", "", Nothing, Everyone, always(200)),
        row("GET", "/health/live", "", Nothing, Everyone, always(200)),
        row("GET", "/health/ready", "", Nothing, Everyone, always(200)),
        row("GET", "/metrics", "", Nothing, Everyone, always(200)),
        row("GET", "/openapi.json", "", Nothing, Everyone, always(200)),
        row("GET", "/docs", "", Nothing, Everyone, always(200)),
        row("GET", "/docs/{file}", "nothing.js", Nothing, Everyone, NONE),
        row("GET", "/api/v1/info", "", Nothing, Everyone, always(200)),
        row("GET", "/api/v1/capacity", "", Nothing, User, always(200)),
        row("POST", "/api/v1/files/upload", "", File, User, writes(201)),
        row("GET", "/api/v1/files", "", Nothing, User, always(200)),
        row("GET", "/api/v1/files", "?status=deleted", Nothing, Operator, always(200)),
        row("GET", "/api/v1/files/search", "?q=contract", Nothing, User, always(200)),
        row("GET", "/api/v1/files/{id}", "", Nothing, User, always(200)),
        row("HEAD", "/api/v1/files/{id}", "", Nothing, User, always(200)),
        row("PATCH", "/api/v1/files/{id}", "", Json("{\"version\":\"2\"}"), User, writes(200)),
        row("DELETE", "/api/v1/files/{id}", "", Nothing, Operator, [(204, ""), REFUSED, REFUSED, REFUSED]),
        row("GET", "/api/v1/files/{id}/download", "", Nothing, User, DOWNLOAD),
        row("HEAD", "/api/v1/files/{id}/download", "", Nothing, User, DOWNLOAD),
        row("PUT", "/api/v1/files/{id}/legal-hold", "", Nothing, Operator, writes(200)),
        row("PUT", "/api/v1/files/{id}/legal-hold", "", Json("{\"reason\":\"Case 17\"}"), Operator, writes(200)),
        row("DELETE", "/api/v1/files/{id}/legal-hold", "", Nothing, Operator, writes(200)),
        row("GET", "/api/v1/admin/config", "", Nothing, Admin, always(200)),
        row("GET", "/api/v1/admin/mode", "", Nothing, Admin, always(200)),
        row("PUT", "/api/v1/admin/mode", "", Json("{\"mode\":\"edit\"}"), Admin, [(200, ""), NO_STEP, NO_STEP, NO_STEP]),
        row("PUT", "/api/v1/admin/mode", "", Json("{\"mode\":\"rw\"}"), Admin, [NO_STEP, (200, ""), CONFIRM, NO_STEP]),
        row("GET", "/api/v1/admin/wal", "", Nothing, Admin, always(200)),
        row("POST", "/api/v1/admin/wal/{tx}/retry", NOBODY, Nothing, Admin, NONE),
        row("POST", "/api/v1/admin/cache/rebuild", "", Nothing, Admin, always(202)),
        row("POST", "/api/v1/admin/cache/verify", "", Nothing, Admin, always(202)),
        row("POST", "/api/v1/admin/cache/verify", "", Json("{\"repair\":true}"), Admin, writes(202)),
        row("POST", "/api/v1/admin/gc", "", Nothing, Admin, writes(202)),
        row("GET", "/api/v1/admin/jobs", "", Nothing, Admin, always(200)),
        row("GET", "/api/v1/admin/jobs/{id}", NOBODY, Nothing, Admin, NONE),
        row("DELETE", "/api/v1/admin/jobs/{id}", NOBODY, Nothing, Admin, NONE),
    ]
}
