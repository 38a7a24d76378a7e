//! Certificates and the authority itself are replaced while nodes run.

use storage_element_crds::Mode;
use storage_node::security::Role;

use crate::authority::Authority;
use crate::element::{Ground, Traits, token};
use crate::form::{FORM, upload};
use crate::wire::{Answer, ask};

#[tokio::test]
async fn a_new_authority_counts_as_soon_as_the_files_are_read_again() {
    let ground = Ground::new(Mode::Edit).await;
    let (old, new) = (Authority::new(), Authority::new());
    let (masters, standbys) = (old.files(), old.files());
    let (of_master, of_standby) = (masters.open().unwrap(), standbys.open().unwrap());
    let master = ground.master(Traits::with(of_master.clone())).await;
    let standby = ground.standby(Traits::with(of_standby.clone())).await;
    standby.follows(master.peer.unwrap());
    let user = token(Role::User);
    let uploaded = async || -> Answer {
        let headers = [("Authorization", user.as_str()), FORM];
        ask(standby.public, "POST", "/api/v1/files/upload", &headers, &upload(b"x")).await
    };
    assert_eq!(uploaded().await.status(), 201);
    let ((cert, key), (other_cert, other_key)) = (new.pair(), new.pair());
    masters.now_hold(&cert, &key, new.pem());
    of_master.acceptor().reload();
    uploaded().await.is(503, "NOT_MASTER");
    standbys.now_hold(&other_cert, &other_key, new.pem());
    of_standby.acceptor().reload();
    assert_eq!(uploaded().await.status(), 201);
    // Files that do not belong together change nothing.
    standbys.now_hold(&other_cert, &other_key, old.pem());
    of_standby.acceptor().reload();
    assert_eq!(uploaded().await.status(), 201);
    // Both authorities in one file: this is how one takes the place of the other without a gap.
    let both = format!("{}{}", old.pem(), new.pem());
    let (cert, key) = old.pair();
    standbys.now_hold(&cert, &key, &both);
    of_standby.acceptor().reload();
    uploaded().await.is(503, "NOT_MASTER");
    let (cert, key) = new.pair();
    masters.now_hold(&cert, &key, &both);
    of_master.acceptor().reload();
    assert_eq!(uploaded().await.status(), 201);
}
