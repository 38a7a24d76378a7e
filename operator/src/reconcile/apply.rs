//! From wishes to objects. What is as wished already is not written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use serde_json::Value;

use super::Context;
use super::contains::contains;
use super::problem::Problem;
use crate::build::{How, Wish};
use crate::cache::{Child, Key, Kind};
use crate::cluster::{Cause, Failure, Found};

/// What became of the wishes.
#[derive(Debug, Default)]
pub struct Applied {
    /// Objects that were made or changed, such as `Service a`.
    pub written: Vec<String>,
    /// What was in the way.
    pub problems: Vec<Problem>,
}

/// Makes every object as wished. `read` is what the wishes were made from.
///
/// # Errors
/// When the API server cannot be reached, or somebody else was faster: to be tried again. What it refuses is a problem of
/// that object and does not stop the others.
pub async fn apply(
    context: &Context,
    key: &Key,
    uid: &str,
    read: &[Arc<Child>],
    wishes: &[Wish],
) -> Result<Applied, Failure> {
    let children = context.children.of(key);
    let mut applied = Applied::default();
    for wish in wishes {
        // A Secret that has changed since its key was read must not be given the key of then.
        let seen = if wish.kind == Kind::Secret { read } else { &children };
        let known = seen.iter().find(|child| child.kind == wish.kind && child.name == wish.name);
        let what = format!("{} {}", wish.kind, wish.name);
        match one(context, key, uid, wish, known).await {
            Ok(Done::AsWished) => {}
            Ok(Done::Written) => applied.written.push(what),
            Ok(Done::InTheWay(problem)) => applied.problems.push(problem),
            Err(Failure { cause: Cause::Refused(message), .. }) => {
                let hint = if message.contains("can not be less than status.capacity") {
                    ". A growth is taken back to a size above what the volume has, not to exactly that"
                } else {
                    ""
                };
                let message = format!("the API server refuses {what}: {message}{hint}");
                applied.problems.push(Problem::stalls("ApplyRefused", message));
            }
            // Its CustomResourceDefinition went away since the operator started.
            Err(Failure { cause: Cause::NotFound, .. }) if wish.kind == Kind::ServiceMonitor => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(applied)
}

enum Done {
    AsWished,
    Written,
    InTheWay(Problem),
}

async fn one(
    context: &Context,
    key: &Key,
    uid: &str,
    wish: &Wish,
    known: Option<&Arc<Child>>,
) -> Result<Done, Failure> {
    let hash = hash(wish);
    let Some(child) = known else {
        return match context.cluster.find(wish.kind, &key.namespace, &wish.name).await? {
            None => make(context, key, wish, hash).await,
            Some(found) => taken(context, key, uid, wish, hash, &found).await,
        };
    };
    if child.deleting {
        return Ok(Done::InTheWay(going(wish)));
    }
    if !wish.keeps && child.owner.as_deref().is_some_and(|owner| owner != uid) {
        return Ok(Done::InTheWay(of_another(wish)));
    }
    if wish.how == How::CreateOnly || child.is_verified(hash) || contains(wish.kind, &child.value(), &wish.value) {
        return Ok(Done::AsWished);
    }
    if wish.kind == Kind::Secret {
        let mut value = wish.value.clone();
        value["metadata"]["resourceVersion"] = child.resource_version().into();
        return write(context, key, wish, &value, hash).await;
    }
    write(context, key, wish, &wish.value, hash).await
}

/// The object is there and the watch did not show it.
async fn taken(
    context: &Context,
    key: &Key,
    uid: &str,
    wish: &Wish,
    hash: u64,
    found: &Found,
) -> Result<Done, Failure> {
    if found.deleting {
        return Ok(Done::InTheWay(going(wish)));
    }
    if !wish.keeps && found.owner.as_deref().is_some_and(|owner| owner != uid) {
        return Ok(Done::InTheWay(of_another(wish)));
    }
    let ours = found.owner.as_deref() == Some(uid)
        || found.element.as_deref() == Some(key.name.as_str())
        || found.applied_by_us;
    if !ours {
        return Ok(Done::InTheWay(Problem::stalls(
            "NameTaken",
            format!(
                "a {} {:?} that is not the operator's is in namespace {}: remove it or rename it, or give the element \
                 another name",
                wish.kind, wish.name, key.namespace
            ),
        )));
    }
    if wish.how == How::CreateOnly {
        return Ok(Done::AsWished);
    }
    if wish.kind == Kind::Secret && found.element.as_deref() == Some(key.name.as_str()) {
        // It came after its key was looked for, with a key of its own: the watch will show it.
        let cause = Cause::Conflict("one of that name has come meanwhile".to_owned());
        return Err(Failure { what: format!("make Secret {}/{}", key.namespace, wish.name), cause });
    }
    write(context, key, wish, &wish.value, hash).await
}

async fn make(context: &Context, key: &Key, wish: &Wish, hash: u64) -> Result<Done, Failure> {
    if wish.how == How::Apply {
        return write(context, key, wish, &wish.value, hash).await;
    }
    let made = context.cluster.create(wish.kind, key, &wish.name, &wish.value).await?;
    context.children.put_verified(wish.kind, made, hash);
    Ok(Done::Written)
}

async fn write(context: &Context, key: &Key, wish: &Wish, value: &Value, hash: u64) -> Result<Done, Failure> {
    let object = context.cluster.apply(wish.kind, key, &wish.name, value).await?;
    context.children.put_verified(wish.kind, object, hash);
    Ok(Done::Written)
}

fn going(wish: &Wish) -> Problem {
    let message = format!("{} {:?} is being deleted; it is made again once it is gone", wish.kind, wish.name);
    Problem::waits("WaitsForDeletion", message)
}

fn of_another(wish: &Wish) -> Problem {
    let message = format!(
        "{} {:?} belongs to an element of this name that is no more; it is made again once the cluster has removed it",
        wish.kind, wish.name
    );
    Problem::waits("WaitsForDeletion", message)
}

fn hash(wish: &Wish) -> u64 {
    let mut hasher = DefaultHasher::new();
    wish.value.to_string().hash(&mut hasher);
    hasher.finish()
}
