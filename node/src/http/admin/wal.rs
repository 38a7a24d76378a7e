//! `GET /admin/wal` and `POST /admin/wal/{tx}/retry`.

use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalog::WalQuery;
use crate::http::caller::AsAdmin;
use crate::http::error::{ApiError, ApiResult};
use crate::http::forward::AtMasterByHead;
use crate::http::path::transaction_id;
use crate::http::query::{DEFAULT_LIMIT, limit, pairs};
use crate::http::reply;
use crate::http::state::AppState;
use crate::model::{Timestamp, TransactionId, WalRow, WalStatus};
use crate::settling::SettleError;

/// A page of transactions.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransactionList {
    /// Transactions announced and not ended (PENDING), or not to be decided (FAILED); oldest first.
    #[schema(value_type = Vec<crate::http::schema::Transaction>)]
    items: Vec<WalRow>,
    #[schema(minimum = 1, maximum = 1000)]
    limit: u32,
    /// Whether more follow.
    has_more: bool,
    /// What to give as `cursor` for the next page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Pending and failed transactions of the write-ahead log, oldest first.
#[utoipa::path(
    get, path = "/api/v1/admin/wal", tag = "admin", operation_id = "listTransactions",
    params(crate::http::schema::PageParams),
    responses((status = 200, description = "A page of transactions", body = TransactionList)),
)]
pub async fn list(State(app): State<AppState>, _caller: AsAdmin, request: Request) -> ApiResult<Response> {
    let (limit, after) = read(request.uri().query())?;
    // One more than asked for tells whether more follow.
    let statuses = vec![WalStatus::Pending, WalStatus::Failed];
    let query = WalQuery { statuses, files_only: false, after, limit: limit + 1 };
    let mut items = app.services()?.catalog.wal(&query).await?;
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next_cursor = items.last().filter(|_| has_more).map(|row| cursor(row.started_at, row.transaction_id));
    reply::json(&TransactionList { items, limit, has_more, next_cursor })
}

/// Try once more to settle a transaction, and show it as it stands then.
#[utoipa::path(
    post, path = "/api/v1/admin/wal/{tx}/retry", tag = "admin", operation_id = "retryTransaction",
    params(crate::http::schema::TransactionParam),
    responses((status = 200, description = "The transaction as it stands now", body = crate::http::schema::Transaction)),
)]
pub async fn retry(
    State(app): State<AppState>,
    _caller: AsAdmin,
    AtMasterByHead(request): AtMasterByHead,
) -> ApiResult<Response> {
    let tx = transaction_id(request.uri())?;
    let services = app.services()?;
    let term = services.element.term().ok_or(SettleError::NotMaster)?;
    reply::json(&services.settler.retry(term, tx).await?)
}

type After = Option<(Timestamp, TransactionId)>;

fn read(query: Option<&str>) -> ApiResult<(u32, After)> {
    let (mut rows, mut after) = (None, None);
    for pair in pairs(query) {
        let (key, value) = pair?;
        let doubled = match key.as_str() {
            "limit" => rows.replace(limit(&value)?).is_some(),
            "cursor" => after.replace(position(&value)?).is_some(),
            _ => return Err(ApiError::invalid(key.clone(), format!("there is no parameter {key} here"))),
        };
        if doubled {
            return Err(ApiError::invalid(key.clone(), format!("the parameter {key} is given twice")));
        }
    }
    Ok((rows.unwrap_or(DEFAULT_LIMIT), after))
}

fn cursor(started_at: Timestamp, tx: TransactionId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {tx}", started_at.micros()))
}

fn position(text: &str) -> ApiResult<(Timestamp, TransactionId)> {
    let bytes = (text.len() <= 128).then(|| URL_SAFE_NO_PAD.decode(text).ok()).flatten();
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| {
            let (micros, tx) = text.split_once(' ')?;
            Some((Timestamp::from_micros(micros.parse().ok()?), tx.parse().ok()?))
        })
        .ok_or_else(|| ApiError::invalid("cursor", "this is no cursor: take next_cursor of the page before"))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{cursor, position, read};
    use crate::model::Timestamp;

    #[test]
    fn pages_of_the_log() {
        let at = (Timestamp::from_micros(1_790_000_000_000_001), Uuid::from_u128(7));
        let text = cursor(at.0, at.1);
        assert_eq!(position(&text).unwrap(), at);
        assert_eq!(read(Some(&format!("limit=7&cursor={text}"))).unwrap(), (7, Some(at)));
        assert_eq!(read(None).unwrap(), (100, None));
        for bad in ["cursor=x", "cursor=", "limit=0", "limit=1&limit=1", "status=PENDING"] {
            assert!(read(Some(bad)).is_err(), "{bad}");
        }
    }
}
