//! Ids in paths.

use http::Uri;
use uuid::Uuid;

use super::error::{ApiError, ApiResult};

/// The id of `/api/v1/files/{id}` and of what lies below it.
pub fn file_id(uri: &Uri) -> ApiResult<Uuid> {
    id_after(uri, "/api/v1/files/").ok_or_else(|| ApiError::invalid("id", "the file id in the path is not a UUID"))
}

/// The id of `/api/v1/admin/wal/{tx}/…`.
pub fn transaction_id(uri: &Uri) -> ApiResult<Uuid> {
    id_after(uri, "/api/v1/admin/wal/")
        .ok_or_else(|| ApiError::invalid("tx", "the transaction id in the path is not a UUID"))
}

/// The id of `/api/v1/admin/jobs/{id}`.
pub fn job_id(uri: &Uri) -> ApiResult<Uuid> {
    id_after(uri, "/api/v1/admin/jobs/").ok_or_else(|| ApiError::invalid("id", "the job id in the path is not a UUID"))
}

/// The UUID right after `prefix`, in the one form with hyphens: an id has one address, so that caches and logs agree.
fn id_after(uri: &Uri, prefix: &str) -> Option<Uuid> {
    let segment = uri.path().strip_prefix(prefix)?.split('/').next()?;
    (segment.len() == 36).then(|| Uuid::try_parse(segment).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::file_id;

    #[test]
    fn only_the_form_with_hyphens_is_an_id() {
        let id = "0199c0de-0000-7000-8000-00000000000a";
        let read = |path: &str| file_id(&path.parse::<Uri>().unwrap()).ok().map(|id| id.to_string());
        assert_eq!(read(&format!("/api/v1/files/{id}")).as_deref(), Some(id));
        assert_eq!(read(&format!("/api/v1/files/{}/download?x=1", id.to_uppercase())).as_deref(), Some(id));
        for bad in ["1", "0199c0de000070008000000000000000a", "{0199c0de-0000-7000-8000-00000000000a}", "..%2f"] {
            assert_eq!(read(&format!("/api/v1/files/{}", bad.replace(['{', '}'], "%7B"))), None, "{bad}");
        }
    }
}
