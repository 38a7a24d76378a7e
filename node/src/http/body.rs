//! Request bodies: read in pieces, never longer than allowed, never waiting for ever.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;

use super::error::{ApiError, ApiResult, Code};

/// Pieces of a request's body.
pub struct Pieces {
    body: Body,
    stall_timeout: Duration,
}

impl Pieces {
    /// Reads `body`, and gives up when no byte comes for `stall_timeout`.
    pub fn new(body: Body, stall_timeout: Duration) -> Self {
        Self { body, stall_timeout }
    }

    /// The next piece, `None` at the end. Cancel safe.
    ///
    /// # Errors
    /// 408 when nothing comes for too long, 400 when the body breaks off.
    pub async fn next(&mut self) -> ApiResult<Option<Bytes>> {
        loop {
            let frame = tokio::time::timeout(self.stall_timeout, self.body.frame())
                .await
                .map_err(|_| ApiError::stalled(self.stall_timeout.as_secs()))?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    Ok(_) | Err(_) => {}
                },
                Some(Err(error)) => {
                    return Err(ApiError::invalid("body", "the body broke off").logged(error.to_string()));
                }
            }
        }
    }
}

/// The length a request says its body has.
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body that is not JSON of one of these media types, or says it is too long: before a byte of it is read.
///
/// # Errors
/// 413, then 415.
pub fn expect_json(headers: &HeaderMap, accepted: &[&'static str], limit: u64) -> ApiResult<()> {
    if declared_length(headers).is_some_and(|length| length > limit) {
        return Err(ApiError::body_too_large(limit));
    }
    if media_type(headers).is_some_and(|given| accepted.iter().any(|known| given.eq_ignore_ascii_case(known))) {
        return Ok(());
    }
    let accepted = accepted.join(" or ");
    Err(ApiError::new(Code::UnsupportedMediaType, format!("send the body as {accepted}"))
        .header(http::header::ACCEPT, HeaderValue::try_from(accepted).unwrap_or(HeaderValue::from_static("*/*"))))
}

/// The request's one content type without its parameters.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    Some(value.split(';').next().unwrap_or(value).trim())
}

/// The whole of a body that is not a file.
///
/// # Errors
/// 413 beyond `limit`, and those of [`Pieces::next`].
pub async fn read_whole(body: Body, limit: u64, stall_timeout: Duration) -> ApiResult<Bytes> {
    let mut pieces = Pieces::new(body, stall_timeout);
    let Some(first) = pieces.next().await? else { return Ok(Bytes::new()) };
    let mut whole = BytesMut::from(first);
    loop {
        if whole.len() as u64 > limit {
            return Err(ApiError::body_too_large(limit));
        }
        match pieces.next().await? {
            None => return Ok(whole.freeze()),
            Some(piece) => whole.extend_from_slice(&piece),
        }
    }
}
