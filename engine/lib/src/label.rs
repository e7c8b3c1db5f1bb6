//! What filters ask of labels: `KEY`, or `KEY=VALUE`.

/// A key that must be there, with this value if one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    key: String,
    value: Option<String>,
}

impl Condition {
    pub(crate) fn parse(text: &str) -> Condition {
        match text.split_once('=') {
            Some((key, value)) => Condition { key: key.to_owned(), value: Some(value.to_owned()) },
            None => Condition { key: text.to_owned(), value: None },
        }
    }

    /// Whether it holds for labels of which `get` gets the value by key.
    pub(crate) fn holds<'a>(&self, get: impl FnOnce(&str) -> Option<&'a String>) -> bool {
        get(&self.key).is_some_and(|have| self.value.as_ref().is_none_or(|value| value == have))
    }
}
