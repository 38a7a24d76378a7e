//! What the nodes of one test log, caught.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Once;

use serde_json::Value;

type Text = Rc<RefCell<Vec<u8>>>;

thread_local! {
    static CATCHING: RefCell<Option<Text>> = const { RefCell::new(None) };
}

/// Catches what is logged on this thread, where all tasks of a test run, until it is dropped.
///
/// One subscriber for the whole process: of one that a thread sets for itself, others switch places off that they come
/// to first.
pub struct Logged(Text);

struct Caught;

impl Write for Caught {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CATCHING.with_borrow(|text| text.iter().for_each(|text| text.borrow_mut().extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logged {
    pub fn new() -> Self {
        static SET: Once = Once::new();
        SET.call_once(|| tracing_subscriber::fmt().json().with_writer(|| Caught).init());
        let text = Text::default();
        CATCHING.set(Some(Rc::clone(&text)));
        Self(text)
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }

    /// The audit lines so far.
    pub fn audit(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == "audit").collect()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        CATCHING.set(None);
    }
}
