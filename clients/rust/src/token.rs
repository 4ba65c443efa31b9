//! The token on its way.

use std::{
    fs,
    sync::{Arc, PoisonError, RwLock},
};

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

use crate::{
    config::{Token, TokenSource},
    error::ConfigError,
};

/// Sends `authorization: Bearer …` with every request. Clones share the token.
#[derive(Clone)]
pub struct Bearer {
    source: Option<TokenSource>,
    header: Arc<RwLock<Option<MetadataValue<Ascii>>>>,
}

impl Bearer {
    /// # Errors
    ///
    /// When the token's file can't be read, or what is in it can't be sent.
    pub(crate) fn new(token: Option<Token>) -> Result<Self, ConfigError> {
        let source = token.map(|token| token.0);
        let header = source.as_ref().map(header_of).transpose()?;
        Ok(Self {
            source,
            header: Arc::new(RwLock::new(header)),
        })
    }

    /// Reads the token's file again; whether another token was in it.
    pub(crate) fn reread(&self) -> bool {
        let Some(source @ TokenSource::File(_)) = &self.source else {
            return false;
        };
        let Ok(fresh) = header_of(source) else {
            return false;
        };
        let mut header = self.header.write().unwrap_or_else(PoisonError::into_inner);
        let changed = header.as_ref() != Some(&fresh);
        *header = Some(fresh);
        changed
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &*self.header.read().unwrap_or_else(PoisonError::into_inner) {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        Ok(request)
    }
}

/// Does not tell the token.
impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer(..)")
    }
}

fn header_of(source: &TokenSource) -> Result<MetadataValue<Ascii>, ConfigError> {
    let (secret, place) = match source {
        TokenSource::Secret(secret) => (secret.clone(), "the token".to_owned()),
        TokenSource::File(path) => {
            let text = fs::read_to_string(path).map_err(|source| ConfigError::File {
                what: "token",
                path: path.clone(),
                source: Arc::new(source),
            })?;
            (text, format!("the token in {}", path.display()))
        }
    };
    let secret = secret.trim();
    if secret.is_empty() {
        return Err(ConfigError::EmptyToken { place });
    }
    if !secret.chars().all(|c| c.is_ascii_graphic()) {
        return Err(ConfigError::BadToken { place });
    }
    let mut header = MetadataValue::try_from(format!("Bearer {secret}"))
        .map_err(|_| ConfigError::BadToken { place })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(bearer: &mut Bearer) -> Option<String> {
        let request = bearer
            .call(Request::new(()))
            .expect("a bearer lets every request pass");
        request
            .metadata()
            .get("authorization")
            .map(|value| value.to_str().expect("a token is ASCII").to_owned())
    }

    #[test]
    fn a_token_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("switch.token");
        fs::write(&path, "tfps_one\n").unwrap();
        let mut bearer = Bearer::new(Some(Token::file(&path))).unwrap();
        assert_eq!(sent(&mut bearer).as_deref(), Some("Bearer tfps_one"));

        assert!(!bearer.reread(), "the same token is no change");
        fs::write(&path, "tfps_two\n").unwrap();
        assert!(bearer.reread());
        assert_eq!(
            sent(&mut bearer.clone()).as_deref(),
            Some("Bearer tfps_two"),
            "clones share the token"
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        assert!(matches!(
            Bearer::new(Some(Token::secret(" \n"))),
            Err(ConfigError::EmptyToken { .. })
        ));
        assert!(matches!(
            Bearer::new(Some(Token::secret("two words"))),
            Err(ConfigError::BadToken { .. })
        ));
        assert!(matches!(
            Bearer::new(Some(Token::file("/nowhere/token"))),
            Err(ConfigError::File { .. })
        ));
        assert_eq!(sent(&mut Bearer::new(None).unwrap()), None);
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        let token = Token::secret("tfps_hidden");
        assert!(!format!("{token:?}").contains("hidden"));
        let mut bearer = Bearer::new(Some(token)).unwrap();
        assert!(!format!("{bearer:?}").contains("hidden"));
        let request = bearer.call(Request::new(())).unwrap();
        assert!(!format!("{:?}", request.metadata()).contains("hidden"));
    }
}
