//! `POST /files/upload`: the form is taken apart while it arrives, the file's bytes go straight to the storage.

mod form;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use form::{Form, TextField};
use http::header::{CONTENT_TYPE, EXPECT, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::audit::Trail;
use super::body::{Pieces, declared_length};
use super::caller::AsUser;
use super::error::{ApiError, ApiResult, Code};
use super::forward::AtMaster;
use super::limits::Limits;
use super::metadata;
use super::multipart::{Event, Malformed, Parser, PartHead};
use super::state::AppState;
use crate::files::{Upload, UploadStart};
use crate::model::FileRow;
use crate::security::Caller;

/// The header that makes an upload repeatable.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that the answer is that of an earlier upload.
const IDEMPOTENT_REPLAY: HeaderName = HeaderName::from_static("idempotent-replay");

/// Bytes of a form around its fields: boundaries and the lines above each part.
const FORM_OVERHEAD_BYTES: u64 = 64 << 10;
/// How many fields a form may have beside the file.
const FIELDS: u64 = 6;
/// The longest media type that is kept, in bytes.
const CONTENT_TYPE_LIMIT: usize = 255;
/// The most of a repeated upload's body that is read to keep the connection; beyond it, the connection is closed.
const REPLAY_DRAIN_BYTES: usize = 1 << 20;

/// Upload a file.
///
/// Repeated with the same `Idempotency-Key`, it answers with the first file.
#[utoipa::path(
    post, path = "/api/v1/files/upload", tag = "files", operation_id = "uploadFile",
    params(super::schema::UploadHeaders),
    request_body(content = super::schema::UploadForm, content_type = "multipart/form-data"),
    responses((
        status = 201, description = "The file is kept: it survives a power cut", body = metadata::FileMetadata,
        headers(("Location" = String), ("ETag" = String), ("Last-Modified" = String),
            ("Idempotent-Replay" = String, description = "`true` when the file was sent before"))
    )),
)]
pub async fn upload(
    State(app): State<AppState>,
    AsUser(caller): AsUser,
    AtMaster(request): AtMaster,
) -> ApiResult<Response> {
    let trail = request.extensions().get::<Trail>().cloned();
    let (row, replay) = receive(&app, &caller, request).await?;
    if let Some(trail) = trail {
        trail.note_file(row.attr.file_id);
    }
    created(&row, replay)
}

async fn receive(app: &AppState, caller: &Caller, request: Request) -> ApiResult<(FileRow, bool)> {
    let (parts, body) = request.into_parts();
    let limits = &app.front().limits;
    let declared = declared_length(&parts.headers);
    check_declared(declared, limits)?;
    let boundary = boundary(&parts.headers)?;
    let key = idempotency_key(&parts.headers)?;
    let start = app.services()?.files.start_upload(caller, declared, key).await?;
    let mut pieces = Pieces::new(body, limits.stall_timeout);
    match start {
        UploadStart::Replay(row) => {
            // A client that waits for `100 Continue` has not sent its body, and need not.
            if !parts.headers.contains_key(EXPECT) {
                drain(&mut pieces).await;
            }
            Ok((*row, true))
        }
        UploadStart::Begin(upload) => {
            let parser = Parser::new(&boundary).ok_or_else(bad_boundary)?;
            let row = Receiver { upload: *upload, pieces, parser, limits, form: Form::default() }.run().await?;
            Ok((row, false))
        }
    }
}

struct Receiver<'a> {
    upload: Upload,
    pieces: Pieces,
    parser: Parser,
    limits: &'a Limits,
    form: Form,
}

/// The part whose data comes.
enum Current {
    None,
    File,
    Field(TextField),
}

impl Receiver<'_> {
    async fn run(mut self) -> ApiResult<FileRow> {
        let mut current = Current::None;
        loop {
            match self.parser.next_event().map_err(malformed)? {
                None => self.more().await?,
                Some(Event::Data(data)) => match &mut current {
                    Current::File => self.upload.write(data).await?,
                    Current::Field(field) => field.push(&data, self.limits.field_bytes)?,
                    Current::None => {}
                },
                Some(Event::Part(head)) => {
                    self.end(current)?;
                    current = self.begin(&head).await?;
                }
                Some(Event::End) => {
                    self.end(current)?;
                    break;
                }
            }
        }
        self.epilogue().await?;
        let fields = self.form.finish()?;
        Ok(self.upload.finish(fields).await?)
    }

    async fn begin(&mut self, head: &PartHead) -> ApiResult<Current> {
        if head.name != "file" {
            return self.form.field(&head.name).map(Current::Field);
        }
        let name = self.form.file(head.filename.as_deref())?;
        self.upload.begin_file(name, head.content_type.as_deref().filter(|given| is_media_type(given))).await?;
        Ok(Current::File)
    }

    fn end(&mut self, current: Current) -> ApiResult<()> {
        match current {
            Current::Field(field) => self.form.end_field(field),
            Current::File | Current::None => Ok(()),
        }
    }

    /// Waits for the client's next bytes, but not longer than this node may go on.
    async fn more(&mut self) -> ApiResult<()> {
        let piece = tokio::select! {
            piece = self.pieces.next() => piece?,
            interrupted = self.upload.interrupted() => return Err(interrupted.into()),
        };
        match piece {
            Some(piece) => {
                self.parser.feed(piece);
                Ok(())
            }
            None => Err(malformed(Malformed("the body ends before its last boundary"))),
        }
    }

    /// What follows the last boundary says nothing, but a file is only whole when its request is.
    async fn epilogue(&mut self) -> ApiResult<()> {
        let mut left = FORM_OVERHEAD_BYTES;
        while let Some(piece) = self.pieces.next().await? {
            left = left
                .checked_sub(piece.len() as u64)
                .ok_or_else(|| malformed(Malformed("too much follows the last boundary")))?;
        }
        Ok(())
    }
}

fn created(row: &FileRow, replay: bool) -> ApiResult<Response> {
    let mut response = metadata::answer(row)?;
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::try_from(format!("/api/v1/files/{}", row.attr.file_id)) {
        headers.insert(LOCATION, location);
    }
    if replay {
        headers.insert(IDEMPOTENT_REPLAY, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// A body that says it is longer than any allowed upload is refused before a byte of it is read.
fn check_declared(declared: Option<u64>, limits: &Limits) -> ApiResult<()> {
    let Some(limit) = limits.file_bytes else { return Ok(()) };
    let around = FIELDS.saturating_mul(limits.field_bytes).saturating_add(FORM_OVERHEAD_BYTES);
    if declared.is_some_and(|declared| declared > limit.saturating_add(around)) {
        return Err(ApiError::file_too_large(limit));
    }
    Ok(())
}

fn boundary(headers: &HeaderMap) -> ApiResult<String> {
    let wrong = || ApiError::new(Code::UnsupportedMediaType, "send the upload as multipart/form-data");
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).ok_or_else(wrong)?;
    let media_type: mime::Mime = value.parse().map_err(|_| wrong())?;
    if media_type.essence_str() != "multipart/form-data" || values.next().is_some() {
        return Err(wrong());
    }
    media_type.get_param(mime::BOUNDARY).map(|boundary| boundary.as_str().to_owned()).ok_or_else(bad_boundary)
}

fn bad_boundary() -> ApiError {
    ApiError::invalid("Content-Type", "the content type needs a boundary: multipart/form-data; boundary=…")
}

fn malformed(error: Malformed) -> ApiError {
    ApiError::invalid("body", format!("the body is not a well-formed multipart/form-data: {error}"))
}

/// `Idempotency-Key`: 1 to 64 of `[A-Za-z0-9._:-]`.
fn idempotency_key(headers: &HeaderMap) -> ApiResult<Option<&str>> {
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(key) = values.next() else { return Ok(None) };
    let valid = |key: &&str| {
        (1..=64).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
    };
    match key.to_str().ok().filter(valid) {
        Some(key) if values.next().is_none() => Ok(Some(key)),
        _ => Err(ApiError::invalid(
            "Idempotency-Key",
            "Idempotency-Key is given once, with 1 to 64 of A-Z a-z 0-9 . _ : -",
        )),
    }
}

/// Whether this is one media type, not a range of them, that a header can carry back.
fn is_media_type(text: &str) -> bool {
    text.len() <= CONTENT_TYPE_LIMIT
        && HeaderValue::from_str(text).is_ok()
        && text.parse::<mime::Mime>().is_ok_and(|media| media.type_() != mime::STAR && media.subtype() != mime::STAR)
}

async fn drain(pieces: &mut Pieces) {
    let all = async {
        let mut left = REPLAY_DRAIN_BYTES;
        while let Ok(Some(piece)) = pieces.next().await {
            match left.checked_sub(piece.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), all).await;
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{IDEMPOTENCY_KEY, Limits, boundary, check_declared, idempotency_key, is_media_type};

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_content_type_has_to_be_a_form_with_a_boundary() {
        let read = |value| boundary(&headers(CONTENT_TYPE, value)).map_err(|error| error.status().as_u16());
        assert_eq!(read("multipart/form-data; boundary=abc").as_deref(), Ok("abc"));
        assert_eq!(read("Multipart/Form-Data; charset=utf-8; boundary=\"a b\"").as_deref(), Ok("a b"));
        assert_eq!(read("multipart/form-data"), Err(400));
        assert_eq!(read("multipart/mixed; boundary=abc"), Err(415));
        assert_eq!(read("application/json"), Err(415));
        assert_eq!(boundary(&HeaderMap::new()).unwrap_err().status().as_u16(), 415);
    }

    #[test]
    fn idempotency_keys() {
        let read = |value| idempotency_key(&headers(IDEMPOTENCY_KEY, value)).map(|key| key.map(str::to_owned)).ok();
        assert_eq!(read("a.B_9:-"), Some(Some("a.B_9:-".to_owned())));
        for bad in ["", "a b", "a/b", "12345678901234567890123456789012345678901234567890123456789012345"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn declared_sizes_leave_room_for_the_fields() {
        let limits = Limits { file_bytes: Some(1000), field_bytes: 100, ..Limits::default() };
        assert!(check_declared(None, &limits).is_ok());
        assert!(check_declared(Some(1000 + 600 + (64 << 10)), &limits).is_ok());
        assert!(check_declared(Some(1001 + 600 + (64 << 10)), &limits).is_err());
    }

    #[test]
    fn only_one_media_type_is_kept() {
        assert!(is_media_type("text/plain; charset=utf-8"));
        for bad in ["", "text", "text/*", "*/*", "text/plain, text/html", "a b/c"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
