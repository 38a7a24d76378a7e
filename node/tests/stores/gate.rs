//! The race that every store has to win before a test runs on it.

use aws_sdk_s3::primitives::ByteStream;
use futures_util::future::join_all;
use uuid::Uuid;

use super::Bucket;

const WRITERS: usize = 16;
const ROUNDS: usize = 50;

/// 16 writers of one key with `If-None-Match: *`, 50 rounds: exactly one winner each.
pub async fn race(bucket: &Bucket) {
    let client = bucket.client();
    for round in 0..ROUNDS {
        let key = format!("race/{}", Uuid::new_v4());
        let puts = (0..WRITERS).map(|writer| {
            let body = ByteStream::from(format!("{writer}").into_bytes());
            client.put_object().bucket(&bucket.name).key(&key).if_none_match("*").body(body).send()
        });
        let (mut winners, mut refused) = (0, 0);
        for put in join_all(puts).await {
            match put {
                Ok(_) => winners += 1,
                Err(error) => {
                    let status = error.raw_response().map(|response| response.status().as_u16());
                    assert!(matches!(status, Some(409 | 412)), "round {round}: {error:?}");
                    refused += 1;
                }
            }
        }
        assert_eq!((winners, refused), (1, WRITERS - 1), "round {round}: this store races its conditional writes");
    }
}
