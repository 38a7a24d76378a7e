//! An upload's bytes.

/// The content type of [`upload`].
pub const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=b");

/// A form with one file.
pub fn upload(data: &[u8]) -> Vec<u8> {
    let mut form = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n".to_vec();
    form.extend_from_slice(data);
    form.extend_from_slice(b"\r\n--b--\r\n");
    form
}

/// Bytes that are not all the same.
pub fn data(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| u8::try_from((at / 7 + at / 251) % 256).unwrap()).collect()
}
