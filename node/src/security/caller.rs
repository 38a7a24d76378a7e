//! Who a request comes from, as its token says.

use serde::Serialize;

/// What a caller may do. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads and writes files.
    User,
    /// Also deletes, holds and sees deleted files.
    Operator,
    /// Also runs the element.
    Admin,
}

impl Role {
    /// Reads a role's name in any case; unknown names are no role.
    pub fn parse(name: &str) -> Option<Self> {
        [("user", Self::User), ("operator", Self::Operator), ("admin", Self::Admin)]
            .into_iter()
            .find_map(|(known, role)| name.eq_ignore_ascii_case(known).then_some(role))
    }

    /// The name in tokens, logs and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// A caller whose token was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `sub`.
    pub id: String,
    /// `username`, else `preferred_username`, else `sub`.
    pub username: String,
    /// `full_name`, else `name`.
    pub full_name: Option<String>,
    /// The highest known role; none gives no rights.
    pub role: Option<Role>,
}

impl Caller {
    /// Whether this caller has `role` or a higher one.
    pub fn has(&self, role: Role) -> bool {
        self.role.is_some_and(|own| own >= role)
    }
}
