//! What a registry answered, read completely.

use bytes::Bytes;
use dockless_oci::error_code::ErrorBody;
use http::HeaderMap;

/// Status, headers and body of a response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The first value of a header, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// All values of a header, those in one line separated at commas.
    #[must_use]
    pub fn header_list(&self, name: &str) -> Vec<&str> {
        let lines = self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        lines.flat_map(|line| line.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    /// The `Location`: a path, so that it leads back through whatever proxy is in front.
    ///
    /// # Panics
    /// When there is none, or it names a host.
    #[must_use]
    #[track_caller]
    pub fn location(&self) -> String {
        let location = self.header("location").unwrap_or_else(|| panic!("no Location: {self:?}"));
        assert!(location.starts_with("/v2/"), "the Location is no path: {self:?}");
        location.to_owned()
    }

    /// The number in `Content-Length`.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length").and_then(|value| value.parse().ok())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// The codes of an error body.
    ///
    /// # Panics
    /// When the body is not the error body of the specification with at least one known code.
    #[must_use]
    pub fn error_codes(&self) -> Vec<String> {
        let body: ErrorBody = serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not an error body ({error}): {self:?}"));
        assert!(!body.errors.is_empty(), "an error body without errors: {self:?}");
        body.errors.iter().map(|error| error.code.as_str().to_owned()).collect()
    }

    /// Gives itself back when the status is as expected.
    ///
    /// # Panics
    /// When it is another, with the whole answer.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Checks the status and that the first error code is `code`.
    ///
    /// # Panics
    /// When either differs, or when the body is not JSON by its `Content-Type`.
    #[track_caller]
    pub fn expect_error(self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert_eq!(self.error_codes()[0], code, "{self:?}");
    }
}
