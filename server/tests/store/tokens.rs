//! Tokens.

use tfps_server::store::{Store, StoreError, TokenRecord};

use crate::scene::{minutes, noon};

pub async fn tokens_come_and_go(store: &impl Store) {
    let token = |id: &str, byte: u8| TokenRecord {
        id: id.to_owned(),
        name: "sbc '1'".to_owned(),
        role: "switch".to_owned(),
        domain: "example.com".to_owned(),
        hash: [byte; 32],
        created_at: noon(),
        expires_at: (byte == 0).then(|| noon() + minutes(5)),
    };
    let tokens = [token("a", 0), token("b", 255)];
    for token in &tokens {
        store.create_token(token).await.unwrap();
    }
    assert_eq!(store.tokens().await.unwrap(), tokens);
    assert!(matches!(
        store.create_token(&token("a", 7)).await,
        Err(StoreError::AlreadyExists)
    ));
    store.delete_token("a").await.unwrap();
    assert_eq!(store.tokens().await.unwrap(), tokens[1..]);
    assert!(matches!(
        store.delete_token("a").await,
        Err(StoreError::NotFound)
    ));
}
