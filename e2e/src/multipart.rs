//! Upload requests as bytes, for clients on bare sockets.

/// What comes before and after the content of a file in an upload.
pub struct Envelope {
    /// Head, fields and the head of the file's part.
    pub before: Vec<u8>,
    /// The end of the form.
    pub after: &'static [u8],
}

const AFTER: &[u8] = b"\r\n--upload-edge--\r\n";

/// The request of an upload of `size` bytes under `name`, around the content.
pub fn envelope(name: &str, size: u64, token: &str) -> Envelope {
    let part = format!(
        "--upload-edge\r\nContent-Disposition: form-data; name=\"description\"\r\n\r\nA small file\r\n\
         --upload-edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let length = part.len() as u64 + size + AFTER.len() as u64;
    let head = format!(
        "POST /api/v1/files/upload HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=upload-edge\r\nContent-Length: {length}\r\n\r\n{part}"
    );
    Envelope { before: head.into_bytes(), after: AFTER }
}

/// A whole upload request.
pub fn request(name: &str, content: &[u8], token: &str) -> Vec<u8> {
    let envelope = envelope(name, content.len() as u64, token);
    [envelope.before.as_slice(), content, envelope.after].concat()
}
